"""What the command's options take, and how wrong usage is told: one sentence with its place. Only click is imported."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class WrongUsage(click.ClickException):
    """Replaces click's four lines; the text is one sentence."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - click's type
        """Print it."""
        click.echo(printable(self.message), file=file, err=file is None)


class Commands(click.Group):
    """The command with its sub-commands, any of which may be used wrongly."""

    def make_context(self, *given: Any, **named: Any) -> click.Context:  # noqa: ANN401 - passed on
        """Read the arguments up to a sub-command."""
        with _told_in_a_sentence():
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's type
        """Run, with a sub-command that reads its own arguments first."""
        with _told_in_a_sentence():
            return super().invoke(ctx)


def run(command: click.Command) -> int:
    """Run `command` with this process's arguments; give its exit status, also where standard output takes no more."""
    try:
        status = command.main(prog_name="qtap-tui", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, SystemExit):  # Ctrl-C, and click's answer to a closed pipe
        return 0
    except OSError as error:
        click.echo(f"qtap-tui: {printable(str(error.filename or 'standard output'))}: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush of the interpreter
        return 1
    return status if isinstance(status, int) else 0


@contextmanager
def _told_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "qtap-tui"
        raise WrongUsage(f"{command}: {_sentence(error)}") from None


def _sentence(error: click.UsageError) -> str:
    """Say what click says, with the place in front, and where all options are listed when one is not known."""
    command = error.ctx.command_path if error.ctx else "qtap-tui"
    if isinstance(error, click.NoSuchOption):
        likely = " or ".join(error.possibilities or ())
        return f"there is no option {error.option_name}; " + (f"did you mean {likely}?" if likely else f"see {command} --help")
    text = error.format_message().rstrip(".").replace("\n", " ")
    if found := re.fullmatch(r"Invalid value for '([^']+)'(?: / '[^']+')*: (.*)", text):
        return f"{found[1]}: {found[2]}"
    if text.startswith(("No such command", "Missing argument", "Got unexpected")):
        text += f"; see {command} --help"
    return text[:1].lower() + text[1:]


def printable(text: str) -> str:
    """Escape what is not printable: a path that somebody chose may hold what a terminal obeys."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


class Size(click.ParamType[int]):
    """A number of bytes: `500`, `64KB`, `1.5mb`, `2GB`; units are powers of 1024."""

    name = "size"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's type
        """Give the bytes; fail with a sentence that names the bounds."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip())
        if not match:
            self.fail(f"{value!r} is not a size such as 64KB, 2MB or 1GB", param, ctx)
        size = int(float(match[1]) * _UNITS[match[2].lower()])
        if not self._least <= size <= self._most:
            self.fail(f"{value} is not between {self._least} and {self._most} bytes", param, ctx)
        return size


class Pid(click.ParamType[int]):
    """The number of a process."""

    name = "pid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's type
        """Give the number; fail with a sentence."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[1-9][0-9]{0,9}", value):
            self.fail(f"{value!r} is no number of a process, such as 4711", param, ctx)
        return int(value)


class TlsProbes(click.ParamType[tuple[str, ...]]):
    """Names of TLS libraries, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ANN401
        """Give the names; fail with a sentence that lists the known ones."""
        from qtap.capture.tls import NAMES

        names = tuple(name.strip() for name in value.split(","))
        for name in names:
            if name not in NAMES:
                self.fail(f"{name!r} is no TLS library with probes; known are: {', '.join(NAMES)}", param, ctx)
        return names


class Toggles(click.ParamType[str]):
    """What to trace, as qtap's option of the same name takes it."""

    name = "toggles"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Give the text; fail where it is not understood."""
        from qtap.flow.toggles import MODULES, TraceError, parse

        try:
            parse(value)
        except TraceError as error:
            self.fail(f"{error}; mod: takes {', '.join(sorted(MODULES))}", param, ctx)
        return str(value)

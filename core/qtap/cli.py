"""The command: options, sub-commands, exit status (spec cli.md). Only click is imported before an option is understood."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from qtap import __version__
from qtap.usage import Commands, Pid, Size, TlsProbes, Toggles, printable, run

if TYPE_CHECKING:
    import logging

    from qtap.app import Options
    from qtap.capture.checks import Check
    from qtap.config.document import ConfigError
    from qtap.config.tap import Tap

_EPILOG = """\b
Examples:
  sudo qtap-tui                              everything on this host, on the screen
  sudo qtap-tui --exe nginx --record a.zst   one program's traffic, also to a file
  sudo qtap-tui --no-ui | jq .event          JSON lines for other programs
  qtap-tui --replay a.zst                    look at a capture, without root
  qtap-tui export a.zst > again.sh           its requests as curl commands
  qtap-tui --demo                            try the screen on a sample
  sudo qtap-tui doctor                       why nothing is captured
  sudo qtap-tui doctor --pid 4711            why one process does not show

\b
Exit status: 0 ended as asked, 1 failed while running, 2 wrong usage or configuration,
3 this host cannot capture."""


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from qtap.capture.compiler import bcc_version

    python = ".".join(map(str, sys.version_info[:3]))
    click.echo(f"qtap-tui {__version__} (Python {python}, BCC {bcc_version() or 'not installed'})")
    ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--no-ui", is_flag=True, help="No screen: JSON lines on stdout, logs on stderr.")
@click.option("--record", metavar="FILE", default="", help="Also write a capture; .zst compresses, - is stdout (with --no-ui).")
@click.option("--force", is_flag=True, help="Let --record overwrite an existing file.")
@click.option("--replay", metavar="FILE", default="", help="Show a capture instead of live traffic; needs no root. - is stdin.")
@click.option("--demo", is_flag=True, help="Show the sample capture that ships with the program, at its own speed.")
@click.option("--level", type=click.Choice(["summary", "headers", "full"]), default="full", show_default=True,
              help="How much of each request is captured. summary: who, where, status, sizes, times; headers: header lines "
              "too; full: bodies too. Below full, bodies never leave the kernel.")  # fmt: skip
@click.option("--config", metavar="FILE", default="", help="Take what to capture from a configuration file (YAML); - is stdin.")
@click.option("--lenient", is_flag=True, help="Warn of keys in --config that are not known, instead of refusing them.")
@click.option(
    "--pid",
    "pids",
    type=Pid(),
    multiple=True,
    help="Capture only this process and its children; with --exe or --container: also this.",
)
@click.option("--exe", "exes", metavar="TEXT", multiple=True, help="Capture only executables whose path contains this.")
@click.option("--container", "containers", metavar="NAME", multiple=True, help="Capture only this container (name or id).")
@click.option("--tls-probes", type=TlsProbes(), metavar="NAMES",
              help="Set probes in these TLS libraries only, separated by commas.")  # fmt: skip
@click.option(
    "--java", is_flag=True, help="Capture Java's TLS too, by an agent in each JVM while capture runs (JDK 21+ warns of it)."
)
@click.option("--docker-socket-endpoint", metavar="PATH", envvar=["DOCKER_SOCKET", "DOCKER_HOST"], default="",
              help="Where Docker or Podman listens, instead of the usual places.")  # fmt: skip
@click.option("--containerd-socket-endpoint", metavar="PATH", envvar="CONTAINERD_SOCKET", default="",
              help="Where containerd listens, likewise.")  # fmt: skip
@click.option("--cri-runtime-socket-endpoint", metavar="PATH", envvar="CRI_RUNTIME_SOCKET", default="",
              help="Where the container runtime of Kubernetes listens, likewise.")  # fmt: skip
@click.option("--http-buffer-size", type=Size(0, 2 << 30), default="2MB", show_default=True, help="Bytes kept of one body.")
@click.option("--memory", type=Size(1 << 20, 1 << 40), default="256MB", show_default=True, help="Bytes kept of all requests.")
@click.option("--ring-size", type=Size(1 << 16, 1 << 30), default="16MB", show_default=True, help="Bytes of the kernel's ring.")
@click.option(
    "--theme", metavar="NAME", default=None, help="Colours of the screen: dark, light, ansi, or one of your own folder."
)
@click.option("--bpf-trace", type=Toggles(), default="", metavar="TOGGLES",
              help="Log each record and decision of these modules and programs: mod:socket,exe.contains:curl.")  # fmt: skip
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True,
              help="How much is logged.")  # fmt: skip
@click.option("--log-file", metavar="FILE", default="", help="Where logs go; without it stderr, and nowhere beside the screen.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
              help="Show version, Python and BCC.")  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click passes what the decorators above declare
    """Watch every HTTP and HTTPS request of this host, decrypted, in the terminal.

    Needs root and nothing of the watched programs: no proxy, no certificate, no restart.
    """
    if ctx.invoked_subcommand is None:
        ctx.exit(_run(ctx, given))


_CHOICES = {"--pid": "pids", "--exe": "exes", "--container": "containers", "--tls-probes": "tls_probes", "--java": "java"}
"""What a capture that is replayed has been asked before."""


_FILES = ("record", "replay", "config")


def _is_given(ctx: click.Context, name: str) -> bool:
    from click.core import ParameterSource

    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _run(ctx: click.Context, given: dict[str, Any]) -> int:
    if given["demo"] and given["replay"]:
        raise click.UsageError("--demo and --replay exclude each other", ctx)
    if chosen := [option for option, name in _CHOICES.items() if given[name] and (given["demo"] or given["replay"])]:
        raise click.UsageError(f"{chosen[0]} chooses what is captured live: leave it out with --replay and --demo", ctx)
    if empty := [f"--{name}" for name in _FILES if not given[name] and _is_given(ctx, name)]:
        raise click.UsageError(f"{empty[0]} needs the name of a file, and it is empty", ctx)
    if "" in (*given["exes"], *given["containers"]):
        raise click.UsageError("--exe and --container need a text that is not empty", ctx)
    from qtap.app import CannotCaptureError, Options, UsageError, run_headless, run_screen
    from qtap.captures.format import CaptureError

    _start_logging(given)
    tap = _read_tap(given)
    if tap is None:
        return 2
    options = Options(
        replay=given["replay"], demo=given["demo"], record=given["record"], force=given["force"], level=given["level"], tap=tap,
        pids=frozenset(given["pids"]), exes=given["exes"], containers=given["containers"],
        docker_socket=given["docker_socket_endpoint"], containerd_socket=given["containerd_socket_endpoint"],
        cri_socket=given["cri_runtime_socket_endpoint"],
        tls_probes=given["tls_probes"], java=given["java"], bpf_trace=given["bpf_trace"],
        body_limit=given["http_buffer_size"], memory=given["memory"], ring_size=given["ring_size"], theme=given["theme"],
    )  # fmt: skip
    runner: Callable[[Options], int] = run_headless if given["no_ui"] else run_screen
    try:
        return runner(options)
    except CannotCaptureError as error:
        click.echo(f"qtap-tui: {error}", err=True)
        return 3
    except (CaptureError, UsageError) as error:
        raise click.UsageError(str(error)) from None


def _read_tap(given: dict[str, Any]) -> Tap | None:
    """Give what the configuration says of capturing; None after its mistakes were told."""
    from qtap.config.tap import Tap

    if not (path := given["config"]):
        return Tap()
    import logging

    from qtap.config.document import ConfigError
    from qtap.config.schema import load

    log = logging.getLogger("qtap")
    try:
        loaded = load(path, lenient=given["lenient"])
    except ConfigError as error:
        _tell_mistakes(error)
        return None
    for warning in loaded.warnings:
        log.warning("%s", warning)
    if given["demo"] or given["replay"]:
        log.warning("%s: its section tap is about live capture: a replay shows all that the capture holds", path)
    return loaded.tap


def _tell_mistakes(error: ConfigError) -> None:
    for problem in error.problems:
        click.echo(printable(f"qtap-tui: {problem}"), err=True)


def _start_logging(given: dict[str, Any]) -> None:
    import logging

    handler: logging.Handler = logging.NullHandler()
    if given["log_file"]:
        try:
            handler = logging.FileHandler(given["log_file"], encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise click.UsageError(f"cannot write the log to {given['log_file']}: {error.strerror}") from None
    elif given["no_ui"]:
        handler = logging.StreamHandler()
    handler.setFormatter(_printable(logging.Formatter("%(asctime)s %(levelname)s %(message)s")))
    logging.basicConfig(level=given["log_level"].upper(), handlers=[handler])


def _printable(formatter: logging.Formatter) -> logging.Formatter:
    plain = formatter.format

    formatter.format = lambda record: printable(plain(record))  # type: ignore[method-assign]
    return formatter


@command.command()
@click.option("--pid", type=Pid(), default=None, help="Say step by step why this process shows or does not.")
@click.pass_context
def doctor(ctx: click.Context, pid: int | None) -> None:
    """Check what capture needs on this host, and what decides on one process.

    Each thing that is missing comes with its remedy. Exit status: 0 nothing is, 1 something of the process, 3 of the host.
    """
    from qtap.capture.checks import checks
    from qtap.capture.diagnosis import diagnose

    host_fails = _print_checks(checks())
    process_fails = pid is not None and _print_checks(diagnose(pid))
    ctx.exit(3 if host_fails else int(process_fails))


@command.command()
@click.argument("capture")
@click.option("--format", "form", type=click.Choice(["curl", "jsonl"]), default="curl", show_default=True,
              help="curl: commands that send the requests again; jsonl: the lines that --no-ui prints of them.")  # fmt: skip
@click.option("--output", metavar="FILE", default="-", show_default=True, help="Where to write; - is stdout.")
@click.option("--force", is_flag=True, help="Let --output overwrite an existing file.")
@click.pass_context
def export(ctx: click.Context, capture: str, form: str, output: str, force: bool) -> None:
    """Write the requests of a CAPTURE (- is stdin) as curl commands or JSON lines.

    Exit status: 0 done, 1 it could not be written, 2 there is no such capture.
    """
    from qtap.captures import export as captures
    from qtap.captures.format import CaptureError

    try:
        for sentence in captures.export(capture, form, output, force=force):
            click.echo(printable(f"warning: {sentence}"), err=True)
    except CaptureError as error:
        raise click.UsageError(str(error), ctx) from None
    except BrokenPipeError:
        return
    except OSError as error:
        name = "standard output" if output == "-" else output
        click.echo(printable(f"qtap-tui export: cannot write {name}: {(error.strerror or str(error)).lower()}"), err=True)
        ctx.exit(1)


@command.command()
@click.argument("file")
@click.option("--lenient", is_flag=True, help="Warn of keys that are not known, instead of refusing them.")
@click.pass_context
def validate(ctx: click.Context, file: str, lenient: bool) -> None:
    """Check a configuration FILE (- is stdin), and name each mistake with its line and column.

    Exit status: 0 it can be used, 2 it cannot.
    """
    from qtap.config.document import ConfigError
    from qtap.config.schema import load

    try:
        loaded = load(file, lenient=lenient)
    except ConfigError as error:
        _tell_mistakes(error)
        ctx.exit(2)
    for warning in loaded.warnings:
        click.echo(printable(f"warning: {warning}"), err=True)
    click.echo(printable(f"{file}: ok"))


def _print_checks(found: Iterable[Check]) -> bool:
    """Print each as it is known; tell whether one fails."""
    signs = {True: "ok  ", False: "FAIL", None: "?   "}
    failed = False
    for check in found:
        remedy = f" - {check.remedy}" if check.remedy else ""
        click.echo(printable(f"{signs[check.ok]} {check.name}: {check.detail}{remedy}"))
        failed = failed or check.ok is False
    return failed


def main() -> None:
    """Run the command."""
    sys.exit(run(command))

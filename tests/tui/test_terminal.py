"""The screen in a real terminal: a pty, a program, keys; what arrives, what is left behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
_SEQUENCE = re.compile(
    rb"\x1b(\[[0-9;:?<>=$ ]*[A-Za-z@`{|}~]|\][^\x07\x1b]*(\x07|\x1b\\)|P[^\x1b]*\x1b\\|[()][A-Z0-9]|[=>78cM])"
)
"""ECMA-48 control sequences, operating system commands and device control strings."""
_OWN = re.compile(
    rb"\x1b(\[[0-9;]*m|\[[0-9;]*H|\[\?[0-9;$]+[hlp]|\[[<>=?]?[0-9;]*[uc]|\[[0-9]*[tn]|\[>[0-9;]*[mq]|\]22;[a-z]+\x07)"
)
"""What the screen itself writes: colours, places, modes and their queries, the keyboard's protocol, the mouse's shape."""


class Terminal:
    """A program in a pty of 24 lines and 80 columns."""

    def __init__(self, process: subprocess.Popen[bytes], primary: int, secondary: int) -> None:
        self.process = process
        self.output = b""
        self._primary = primary
        self._secondary = secondary

    @property
    def settings(self) -> list[object]:
        """Give the terminal's settings."""
        return termios.tcgetattr(self._secondary)

    def type(self, keys: bytes) -> None:
        """Type."""
        os.write(self._primary, keys)

    def wait_for(self, text: str) -> None:
        """Read until `text` arrives."""
        start = len(self.output)
        self._read(
            lambda: text in _shown(self.output[start:]), f"{text!r} did not arrive: {_shown(self.output[start:])[-500:]!r}"
        )

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Read until `done`, and what is there then."""
        self._read(done, "it did not come to that")
        while self._read_once():
            pass

    def hang_up(self, nothing: int) -> None:
        """Close both ends of the terminal; other numbers than theirs must not come to stand for them."""
        os.dup2(nothing, self._primary)
        os.dup2(nothing, self._secondary)

    def end(self) -> int:
        """Read until the program ends; give its status."""
        self._read(lambda: self.process.poll() is not None, "it did not end")
        while self._read_once():
            pass
        return self.process.returncode

    def _read(self, done: object, complaint: str) -> None:
        assert callable(done)
        deadline = time.monotonic() + _PATIENCE
        while not done():
            assert time.monotonic() < deadline, complaint
            self._read_once()

    def _read_once(self) -> bool:
        if not select.select([self._primary], [], [], 0.05)[0]:
            return False
        self.output += os.read(self._primary, 65536)
        return True


def _shown(output: bytes) -> str:
    return _SEQUENCE.sub(b"", output).decode("utf-8", "replace")


@contextmanager
def terminal(*program: str, **environment: str) -> Iterator[Terminal]:
    """Run a Python module in a pty."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", *program],
        cwd=_ROOT,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        start_new_session=True,
    )
    try:
        yield Terminal(process, primary, secondary)
    finally:
        process.kill()
        process.wait()
        os.close(primary)
        os.close(secondary)


def is_restored(screen: Terminal) -> bool:
    """Whether the last word on each mode that the screen set is to unset it."""
    last = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", screen.output))
    assert last[b"1049"] == b"l", "the alternate screen was not left"
    assert last[b"25"] == b"h", "the cursor stays hidden"
    return all(last.get(mode, b"l") == b"l" for mode in (b"1000", b"1003", b"1006", b"1015", b"2004", b"1004"))


def test_keys_work_and_q_leaves_the_terminal_as_it_was() -> None:
    with terminal("tests.tui.synthetic", "200") as screen:
        before = screen.settings
        screen.wait_for("made-up traffic")
        screen.wait_for("/v1/orders?page=2")
        assert screen.settings != before
        screen.type(b"k\r")
        screen.wait_for("Executable")
        screen.type(b"?")
        screen.wait_for("In the list")
        screen.type(b"qq")
        screen.wait_for("Details")
        screen.type(b"/nginx\r")
        screen.wait_for(" of ")
        screen.type(b"qq")
        assert screen.end() == 0
        assert screen.settings == before
        assert is_restored(screen)


def test_keys_that_arrive_in_one_piece_are_obeyed_one_after_another() -> None:
    """Over a slow link a burst of keys is one read."""
    with terminal("tests.tui.synthetic", "100") as screen:
        screen.wait_for("/v1/orders?page=2")
        for burst, words in (
            (b"/nginx", " of "),
            (b"\rkk\r", "Executable"),
            (b"ll?", "On this screen"),
            (b"qqq", "rows"),
            (b"cn?q?q?qk\rlq/abc\rkkk", "no request matches"),
            (b"qcy", "following"),
        ):
            screen.type(burst)
            screen.wait_for(words)
        screen.type(b"kkjj\rlhJKzzq/a\rqq")
        assert screen.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    with terminal("tests.tui.synthetic", "200") as screen:
        before = screen.settings
        screen.wait_for("/v1/orders?page=2")
        screen.process.send_signal(number)
        assert screen.end() == 0
        assert screen.settings == before
        assert is_restored(screen)


def test_a_stop_gives_the_terminal_back_and_going_on_paints_the_screen_again() -> None:
    with terminal("tests.tui.synthetic", "200") as screen:
        before = screen.settings
        screen.wait_for("/v1/orders?page=2")
        for stop in (b"\x1a", signal.SIGTSTP):
            if isinstance(stop, bytes):
                screen.type(stop)
            else:
                screen.process.send_signal(stop)
            screen.wait_until(lambda: state(screen.process.pid) == "T")
            assert screen.settings == before
            assert is_restored(screen)
            screen.process.send_signal(signal.SIGCONT)
            screen.wait_for("Details")
            assert screen.settings != before
        threads = len(list(Path(f"/proc/{screen.process.pid}/task").iterdir()))
        screen.process.send_signal(signal.SIGCONT)  # nobody stopped it
        screen.wait_for("Details")
        assert len(list(Path(f"/proc/{screen.process.pid}/task").iterdir())) == threads
        screen.type(b"\x03")
        assert screen.end() == 0
        assert screen.settings == before
        assert is_restored(screen)


def test_it_ends_when_its_terminal_is_gone() -> None:
    with terminal("tests.tui.synthetic", "200") as screen, Path(os.devnull).open("r+b", buffering=0) as nothing:
        screen.wait_for("/v1/orders?page=2")
        screen.hang_up(nothing.fileno())
        assert screen.process.wait(_PATIENCE) == 0


def state(pid: int) -> str:
    """Give the state of a process as the kernel tells it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_no_byte_of_a_hostile_payload_arrives_raw() -> None:
    with terminal("tests.tui.hostile") as screen:
        screen.wait_for("owned")
        for keys in (b"k\r", b"l", b"\x1b[6~", b"l", b"v", b"v", b"l", b"v", b"v", b"l"):
            screen.type(keys)
            time.sleep(0.1)
            screen._read_once()  # noqa: SLF001 - so that the pty never fills
        screen.type(b"qq")
        assert screen.end() == 0
        assert is_restored(screen)
        assert b"owned" in screen.output
        for raw in (
            b"\x1b]0;owned",
            b"\x1b[2J\x1b[31m",
            b"\x1bc",
            b"\xc2\x9b",
            b"\xe2\x80\xae",
            b"\xe2\x80\x8b",
            b"\x7f",
        ):
            assert raw not in screen.output
        for sequence in _SEQUENCE.finditer(screen.output):
            assert _OWN.fullmatch(sequence[0]), sequence[0]
        rest = _SEQUENCE.sub(b"", screen.output)
        assert not [byte for byte in rest if byte < 0x20 and byte not in b"\r\n"], "a control character arrived"


def test_without_colour_no_colour_is_written() -> None:
    with terminal("tests.tui.synthetic", "20", NO_COLOR="1") as screen:
        screen.wait_for("/v1/orders?page=2")
        screen.type(b"k\rqq")
        assert screen.end() == 0
        codes = {code for group in re.findall(rb"\x1b\[([0-9;]*)m", screen.output) for code in group.split(b";")}
        colours = {b"%d" % code for code in (*range(30, 38), 38, *range(40, 48), 48, *range(90, 98), *range(100, 108))}
        assert codes & {b"7"}
        assert not codes & colours

"""A program in a pseudo-terminal, watched from outside: when did it paint what?"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

COLUMNS, LINES = 180, 50
_JUMP = re.compile(rb"\x1b\[\d+(?:;\d+)?H")
_CONTROL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\-_=>])")
_PATIENCE = 20.0


class Terminal:
    """Starts `command` in a pseudo-terminal of 180x50; a context manager."""

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        self._command = command
        self._folder = folder
        self._seen = b""

    def __enter__(self) -> Self:
        """Start it."""
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (LINES, COLUMNS))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            self._command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=self._folder, start_new_session=True
        )
        os.close(slave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        end = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < end:
            self._pump(0.05)
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def key(self, text: str, painted: Callable[[list[str]], bool]) -> float:
        """Press a key and give the seconds until `painted` holds; it gets every piece of text painted since."""
        self._seen = b""
        pressed = time.perf_counter()
        self.press(text)
        return self.wait(painted) - pressed

    def press(self, text: str) -> None:
        """Press a key."""
        os.write(self._master, text.encode())

    def wait(self, painted: Callable[[list[str]], bool]) -> float:
        """Give the time when `painted` holds for what was painted since the last key; raises TimeoutError."""
        end = time.perf_counter() + _PATIENCE
        while (now := time.perf_counter()) < end:
            if self._pump(end - now) and painted(pieces(self._seen)):
                return time.perf_counter()
        shown = " ".join(pieces(self._seen))[-2000:]
        raise TimeoutError(f"never painted: {shown}")

    def rest(self, seconds: float) -> None:
        """Let the program go on, reading what it paints."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._pump(left)
        self._seen = b""

    def _pump(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            self._seen += os.read(self._master, 1 << 16)
        except OSError:  # the program ended
            if self._process.wait():
                raise RuntimeError("the screen ended: " + " ".join(pieces(self._seen))[-2000:]) from None
            return False
        return True


def pieces(output: bytes) -> list[str]:
    """Split output where the cursor jumps or a line ends, without colours and other control sequences."""
    return [_CONTROL.sub(b"", piece).decode(errors="replace") for part in _JUMP.split(output) for piece in part.split(b"\n")]

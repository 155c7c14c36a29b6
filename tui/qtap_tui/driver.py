"""The terminal's driver: Textual's, made safe for signals that come when it does not expect them.

Textual enters the terminal again at every SIGCONT, also at one that nobody sent because of a stop (sudo sends two, `kill -CONT`
needs no stop): then two threads read the keys, and the terminal is never what it was. And it leaves it at SIGTSTP also after
the end of the screen, while capture ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import IO, Any, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


class _Outlet:
    """A terminal that may go away, as it does when a connection breaks: from then on what is written is dropped.

    Textual's writing thread ends at the error, and the screen then waits for ever for it to take the next picture.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._is_gone = False

    def write(self, text: str) -> None:
        """Write, while there is a terminal."""
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        """Send what was written."""
        self._try(self._file.flush)

    def _try(self, step: Callable[[], object]) -> None:
        if self._is_gone:
            return
        try:
            step()
        except OSError:
            self._is_gone = True
            os.kill(os.getpid(), signal.SIGHUP)  # who leads no session is not told by the kernel


class TerminalDriver(LinuxDriver):
    """Enters and leaves the terminal once each, in turn."""

    _entered = _suspended = False

    def __init__(self, app: App[object], **options: Any) -> None:  # noqa: ANN401 - Textual's own options, passed on
        super().__init__(app, **options)
        assert sys.__stderr__ is not None
        self._file = cast("Any", _Outlet(sys.__stderr__))

    def start_application_mode(self) -> None:
        """Enter the terminal."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._entered = True

    def close(self) -> None:
        """Stop writing: the terminal was left."""
        self._entered = False
        super().close()

    def suspend_application_mode(self) -> None:
        """Leave the terminal for a while."""
        super().suspend_application_mode()
        self._suspended = True

    def _sigtstp_application(self, *_: object) -> None:
        if self._entered:
            super()._sigtstp_application()
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        if self._entered:
            # Stopped by SIGSTOP, which tells nobody: what the shell made of the terminal meanwhile is not what it was.
            self.suspend_application_mode()
            self._must_signal_resume = True
        if self._suspended:
            self._suspended = False
            super()._sigcont_application()

"""Files with probes into which somebody writes, where nobody can be made to wait for their end (`leases`).

`cp` over a program keeps its inode, and so its probes, at places that were the former program's. It is told of at the end of
its first write (that it emptied the file is not told), and on a thread of its own, since each millisecond counts: the kernel
takes 40 to 100 ms to remove probes. What is copied in one call and executed within that time may crash (3 of 20 Go programs).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable

from qtap.capture.fanotify import MODIFY, Group
from qtap.capture.priority import hurry
from qtap.capture.workbench import Workbench

_log = logging.getLogger("qtap")


class Overwritten:
    """Calls `changed`, on the thread `qtap-written`, with a descriptor of each watched file after a change."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        """Watch nothing yet; raises OSError where that is not allowed."""
        self._changed = changed
        self._group = Group()
        self._bench = Workbench(hurry)
        self._bench.watch(self._group.fd, self._take)
        self._thread = threading.Thread(target=self._run, name="qtap-written", daemon=True)
        self._thread.start()

    @property
    def thread_id(self) -> int:
        """What the kernel calls the thread."""
        return self._thread.native_id or 0

    def watch(self, path: str) -> None:
        """Begin to watch a file; from any thread."""
        with contextlib.suppress(OSError):  # a file system that cannot
            self._group.watch(path, MODIFY)

    def stop(self) -> None:
        """Watch no more."""
        self._bench.stop()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        try:
            self._bench.run(iter(()))
        finally:
            self._group.close()

    def _take(self) -> None:
        for file in self._group.files():
            try:
                self._changed(file)
            except OSError as error:
                _log.debug("probes of a file that changed: %s", error)
            finally:
                os.close(file)

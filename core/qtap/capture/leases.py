"""Read leases (fcntl(2), F_SETLEASE): who opens such a file for writing waits until the lease is given up.

The kernel tells of that by a signal to one thread, which waits for it. Where that thread does not run, as in a stopped process,
the writer waits for at most /proc/sys/fs/lease-break-time, 45 seconds.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import threading
from collections.abc import Callable

_SIGNAL = signal.SIGRTMIN + 7
_SETSIG, _SETOWN_EX, _OWNER_TID = 10, 15, 0
"""F_SETSIG, F_SETOWN_EX and F_OWNER_TID of include/uapi/asm-generic/fcntl.h, which Python does not name."""
_OWNER = struct.Struct("=ii")


class Leases:
    """Calls `wanted` with each descriptor whose file somebody is about to write to, who goes on when it is closed.

    On a thread of its own, named `qtap-leases`. Other methods may be called on any thread.
    """

    def __init__(self, wanted: Callable[[int], object]) -> None:
        """Hold none yet."""
        self._wanted = wanted
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._waits = threading.Event()
        self._thread = threading.Thread(target=self._run, name="qtap-leases", daemon=True)
        self._thread.start()
        self._waits.wait()

    @property
    def thread_id(self) -> int:
        """What the kernel calls the thread."""
        return self._thread.native_id or 0

    def take(self, file: int) -> None:
        """Hold the file open for reading as `file`; raises OSError where somebody writes to it, or no lease can be had."""
        fcntl.fcntl(file, _SETSIG, _SIGNAL)
        fcntl.fcntl(file, _SETOWN_EX, _OWNER.pack(_OWNER_TID, self.thread_id))
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with self._lock:
            self._held.add(file)

    def close(self, file: int) -> None:
        """Close a descriptor, held or not: whoever waits for it goes on."""
        with self._lock:
            self._held.discard(file)
            os.close(file)

    def stop(self) -> None:
        """Tell of no more."""
        self._stopping = True
        if self._thread.ident:
            signal.pthread_kill(self._thread.ident, _SIGNAL)
        self._thread.join(timeout=1)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {_SIGNAL})
        self._waits.set()
        while not self._stopping:
            signal.sigwait({_SIGNAL})
            # One signal may stand for many, and Python does not give its descriptor.
            for file in self._broken():
                self._wanted(file)

    def _broken(self) -> list[int]:
        with self._lock:
            return [file for file in self._held if fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_UNLCK]

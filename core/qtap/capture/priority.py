"""Yielding to the traffic that is watched: the scheduling of this program's own threads (sched_setattr(2)).

Where the host has no processor to spare, a thread of ours that runs on for its usual slice of some milliseconds keeps a server
waiting that was just woken. So our threads take short turns, of little weight, and never push another thread aside: at
saturation nginx then keeps 0.6 of its throughput instead of 0.5. And they rest once they have used their share of the host's
processors (`Budget`). Losses that follow are counted.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time
from pathlib import Path

_NR_SCHED_SETATTR = 314
"""On x86-64."""
_SCHED_BATCH = 3
_NICE = 10
_TURN = 100_000
"""Nanoseconds, the shortest that Linux takes; it listens since 6.12 and ignores it before."""
_SHARE = 0.3
"""Of the processors that this process may run on: on two it has 0.6 of one, enough for 20 000 transactions a second."""
_SAVED = 0.2
"""Seconds of processor time that a quiet phase leaves for a burst."""
_LONGEST_REST = 0.05
"""Seconds: less than a full ring lasts, and than a user waits gladly for the end of the program."""
_SCHED_ATTR = struct.Struct("<IIQiIQQQII")
"""size policy flags nice priority runtime deadline period util_min util_max (include/uapi/linux/sched/types.h)."""


def yield_to_traffic(*urgent: int) -> None:
    """Lower every thread of this process but the main one, which may draw a screen, and the `urgent` (ids of the kernel).

    Threads begun by the lowered ones inherit it.
    """
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) not in (os.getpid(), *urgent):
            with contextlib.suppress(OSError):  # gone meanwhile, or a sandbox that forbids it
                _lower(int(task.name))


def _lower(thread: int) -> None:
    attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_BATCH, 0, _NICE, 0, _TURN, 0, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(_NR_SCHED_SETATTR), thread, attributes, 0) < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


class Budget:
    """The processor time of this process, all its threads: it grows with time, and what is used is taken from it."""

    def __init__(self) -> None:
        self._rate = _SHARE * len(os.sched_getaffinity(0))
        self._at, self._used = time.monotonic(), time.process_time()
        self._saved = _SAVED

    def overdrawn(self) -> float:
        """Give the seconds to rest until the use so far is paid for; 0 when there is no debt."""
        now, used = time.monotonic(), time.process_time()
        self._saved = min(self._saved + (now - self._at) * self._rate, _SAVED) - (used - self._used)
        self._at, self._used = now, used
        return min(max(-self._saved, 0.0) / self._rate, _LONGEST_REST)

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
import threading
import time
from collections.abc import Callable
from pathlib import Path

_NR_SCHED_SETATTR = 314
"""On x86-64."""
_SCHED_BATCH = 3
_NICE = 10
_TURN = 100_000
"""Nanoseconds, the shortest that Linux takes; it listens since 6.12 and ignores it before."""
_MOST, _LEAST = 0.3, 0.15
"""Of the processors that this process may run on: on two it has 0.6 of one, enough for 20 000 transactions a second; half of
that where the host uses all there is, since a server then pays for each turn of ours with a turn of its own."""
_SCARCE, _PLENTY = 0.04, 0.08
"""Share of the processors' time that nobody used."""
_STEP = 0.05
_LOOK_EVERY = 0.5
"""Seconds."""
_SAVED = 0.2
"""Seconds of processor time that a quiet phase leaves for a burst."""
_LONGEST_REST = 0.05
"""Seconds: less than a full ring lasts, and than a user waits gladly for the end of the program."""
_IDLE = 4
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


def hurry(is_urgent: bool) -> None:
    """Put the calling thread before others, for what takes a few milliseconds and must not come late, or among them again."""
    usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), usual - _NICE * is_urgent)


def _lower(thread: int) -> None:
    attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_BATCH, 0, _NICE, 0, _TURN, 0, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(_NR_SCHED_SETATTR), thread, attributes, 0) < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def idle_seconds() -> float:
    """Give the time that processors had nothing to do since the host started (proc_stat(5), its first line), 0 if unknown."""
    try:
        with Path("/proc/stat").open("rb") as file:
            return int(file.readline().split()[_IDLE]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


class Budget:
    """The processor time of this process, all its threads: it grows with time, and what is used is taken from it.

    It grows half as fast once the host has no processor idle, and slowly faster again when it has. `idle` gives the seconds
    that processors were idle, of all processors together.
    """

    def __init__(self, idle: Callable[[], float] = idle_seconds) -> None:
        self._processors = len(os.sched_getaffinity(0))
        self._share = _MOST
        self._idle = idle
        self._was_idle = idle()
        self._at, self._used = time.monotonic(), time.process_time()
        self._looked = self._at
        self._saved = _SAVED

    def overdrawn(self) -> float:
        """Give the seconds to rest until the use so far is paid for; 0 when there is no debt."""
        now, used = time.monotonic(), time.process_time()
        if now - self._looked >= _LOOK_EVERY:
            self._adapt(now)
        rate = self._share * self._processors
        self._saved = min(self._saved + (now - self._at) * rate, _SAVED) - (used - self._used)
        self._at, self._used = now, used
        return min(max(-self._saved, 0.0) / rate, _LONGEST_REST)

    def _adapt(self, now: float) -> None:
        was, self._was_idle = self._was_idle, self._idle()
        left = (self._was_idle - was) / (now - self._looked) / (os.cpu_count() or 1)
        self._looked = now
        if left < _SCARCE:
            self._share = max(self._share / 2, _LEAST)
        elif left > _PLENTY:
            self._share = min(self._share + _STEP, _MOST)

"""What is told of processes: that they started, run another program, and stopped (spec qtap.md 5.2)."""

from __future__ import annotations

from collections import OrderedDict

from qtap.model import Process, Sink

_A_SECOND = 1000
"""Starts told of in a second; a build machine has more, of which nobody wants to hear."""
_SECOND = 1_000_000_000
_NAME_WAIT = 500_000_000
"""Nanoseconds that a process of a new container waits for the container's name."""


class Lifecycle:
    """Tells `sink` of processes. Times are nanoseconds since the epoch.

    A process that makes a connection is always told of, and its end is told of where its start was.
    """

    def __init__(self, sink: Sink) -> None:
        self.untold = 0
        """Starts that were too many."""
        self._sink = sink
        self._told: dict[int, Process] = {}
        self._waiting: OrderedDict[int, tuple[int, Process]] = OrderedDict()
        self._second = self._used = 0

    def __len__(self) -> int:
        return len(self._told)

    def started(self, process: Process, now: int) -> None:
        """Take that a process runs a new program."""
        before = self._told.get(process.pid)
        process.replaced = before is not None
        if before is None and not self._within_budget(now):
            self.untold += 1
            return
        self._tell(process, now)

    def seen(self, process: Process, now: int) -> None:
        """Take that a process has a connection."""
        if process.pid not in self._told:
            self._tell(process, now)

    def exited(self, pid: int, now: int) -> None:
        """Take that a process ended."""
        process = self._told.pop(pid, None)
        if process is None:
            return
        if pid in self._waiting:
            self._sink.process_seen(self._waiting.pop(pid)[1])
        process.ended_at = now
        self._sink.process_seen(process)

    def tick(self, now: int) -> None:
        """Tell of those that waited for a name, in order, when they have it or have waited long enough."""
        while self._waiting:
            due, process = next(iter(self._waiting.values()))
            if due > now and _awaits_name(process):
                return
            self._waiting.popitem(last=False)
            self._sink.process_seen(process)

    def stop(self) -> None:
        """Tell of what waits: capture ends."""
        self.tick(now=1 << 63)

    def _tell(self, process: Process, now: int) -> None:
        waiting = self._waiting.pop(process.pid, None)
        if waiting and waiting[1] is not process:
            self._sink.process_seen(waiting[1])
        self._told[process.pid] = process
        if _awaits_name(process):
            self._waiting[process.pid] = now + _NAME_WAIT, process
        else:
            self._sink.process_seen(process)

    def _within_budget(self, now: int) -> bool:
        if now // _SECOND != self._second:
            self._second, self._used = now // _SECOND, 0
        self._used += 1
        return self._used <= _A_SECOND


def _awaits_name(process: Process) -> bool:
    return process.container is not None and not process.container.name

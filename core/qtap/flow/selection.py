"""Which processes a capture is limited to: by number, by executable, by container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from qtap.capture.processes import ProcessTable
from qtap.model import Process

_CONTAINER_DIGITS = 12


class Selection(msgspec.Struct, frozen=True):
    """A process is selected when any of these fits it; its children follow it. False when nothing is named: all processes."""

    pids: frozenset[int] = frozenset()
    exes: tuple[str, ...] = ()
    """Parts of the executable's path, any letter case."""
    containers: tuple[str, ...] = ()
    """Container names, or the first digits of their ids."""

    def __bool__(self) -> bool:
        return bool(self.pids or self.exes or self.containers)

    def matches(self, process: Process) -> bool:
        """Whether `process` itself is named."""
        if process.pid in self.pids or any(exe.lower() in process.exe.lower() for exe in self.exes):
            return True
        container = process.container
        return container is not None and any(
            name == container.name or container.id.startswith(name[:_CONTAINER_DIGITS]) for name in self.containers
        )

    def unmatched(self, processes: Sequence[Process]) -> list[str]:
        """Give the options, as they are typed, that fit none of `processes`."""
        each = {f"--exe {name}": Selection(exes=(name,)) for name in self.exes}
        each |= {f"--container {name}": Selection(containers=(name,)) for name in self.containers}
        return [option for option, alone in each.items() if not any(map(alone.matches, processes))]

    def running(self, processes: ProcessTable) -> Iterator[int]:
        """Give every process that runs now and is named, or descends from one that is; every one when none is named."""
        found = {int(entry.name): processes.get(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        selected: dict[int, bool] = {}
        for pid in found:
            if not self or self._selects(pid, found, selected):
                yield pid

    def _selects(self, pid: int, found: dict[int, Process], known: dict[int, bool]) -> bool:
        if pid not in known:
            known[pid] = False  # a loop of parents, seen while processes come and go
            process = found.get(pid)
            known[pid] = process is not None and (self.matches(process) or self._selects(process.ppid, found, known))
        return known[pid]

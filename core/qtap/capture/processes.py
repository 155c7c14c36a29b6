"""Who the processes are: what the kernel told when they started, and /proc for those that ran before.

A miss reads five files of /proc, 20 us in all; a hit is one dictionary look-up. Numbers are used again by the kernel: an entry
whose process ended serves late records, until /proc shows a process that started after that end.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from qtap.capture.containers import Containers
from qtap.capture.users import Users
from qtap.model import Container, Process

_LIMIT = 8192
"""Processes remembered, running or ended; the one that came first goes first, and is looked up again if it still runs."""
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds of the unit in which /proc gives start times."""
_ENDED_STATES = ("Z", "X")
_DELETED = " (deleted)"


class ProcessTable:
    """Processes by number. One thread calls its methods; a container's name is filled in by another."""

    def __init__(
        self,
        named: Callable[[Process], None] | None = None,
        *,
        procfs: str = "/proc",
        containers: Containers | None = None,
        users: Users | None = None,
    ) -> None:
        """Call `named` with each process whose container's name became known; on the thread of `containers`."""
        self.containers = containers or Containers(procfs=procfs)
        self.containers.named = self._name
        self._named = named
        self._procfs = procfs
        self._users = users or Users()
        self._entries: OrderedDict[int, Process] = OrderedDict()
        self._ended: dict[int, int] = {}
        """When each process that has ended did so; 0 for one of which nothing is known."""
        self._born: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """The parent, and the time, of each child of a process that nobody had looked at."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, pid: int) -> Process:
        """Give process `pid`; one that nobody knows has a number only."""
        known = self._entries.get(pid)
        if known is not None and pid not in self._ended:
            return known
        seen = self._read(pid)
        if seen is not None and (known is None or seen.started_at + _TICK > self._ended[pid]):
            return self._put(seen)
        if known is not None:
            return known
        if pid in self._born:
            parent, at = self._born.pop(pid)
            return self._put(self._likeness(self.get(parent), pid, at))
        blank = self._put(Process(pid))
        self._ended[pid] = 0
        return blank

    def exec(  # noqa: PLR0917  the fields of the kernel's record
        self, pid: int, ppid: int, uid: int, exe: str, comm: str, args: list[str], at: int
    ) -> Process:
        """Take what the kernel told of a process that replaced its program at `at`; gives its new entry.

        The path that /proc gives is that of the host, also where the process has another root; it is taken while it can be had.
        """
        before = self._entries.get(pid) if pid not in self._ended else None
        container = self.containers.of(pid) or (before.container if before else None)
        return self._put(
            Process(
                pid=pid,
                exe=self._link(pid) or exe,
                comm=comm,
                args=args,
                ppid=ppid,
                uid=uid,
                user=self._user(uid, container),
                started_at=before.started_at if before and before.started_at else at,
                container=container,
            )
        )

    def look_again(self, pid: int) -> Process | None:
        """Give what /proc tells now of a process that executed a program, as nobody could be told; None: it is gone."""
        seen = self._read(pid)
        return None if seen is None else self._put(seen)

    def fork(self, parent: int, child: int, at: int = 0) -> None:
        """Take that `parent` made `child`, a process of its own, which until it calls exec is its likeness."""
        known = self._entries.get(parent)
        if known is not None:
            self._put(self._likeness(known, child, at))
            return
        self._entries.pop(child, None)
        self._ended.pop(child, None)
        self._born[child] = parent, at
        if len(self._born) > _LIMIT:
            self._born.popitem(last=False)

    def is_newer(self, pid: int, at: int) -> bool:
        """Whether the process `pid` began after `at`: a record that comes late may be of an earlier one."""
        known = self._entries.get(pid)
        return known is not None and known.started_at > at + _TICK

    def exit(self, pid: int, at: int) -> None:
        """Take that a process ended; it is kept for records that come late."""
        if pid in self._entries:
            self._ended[pid] = at

    @staticmethod
    def _likeness(parent: Process, child: int, at: int) -> Process:
        return msgspec.structs.replace(
            parent, pid=child, ppid=parent.pid, started_at=at or time.time_ns(), replaced=False, ended_at=0
        )

    def _put(self, process: Process) -> Process:
        self._ended.pop(process.pid, None)
        self._born.pop(process.pid, None)
        self._entries[process.pid] = process
        self._entries.move_to_end(process.pid)
        if process.container:
            # Its name may have come between the look at the control group and this line.
            process.container = self.containers.latest(process.container)
        while len(self._entries) > _LIMIT:
            self._ended.pop(self._entries.popitem(last=False)[0], None)
        return process

    def _name(self, blank: Container, container: Container) -> None:
        """Give the processes of a container the name that has become known."""
        for process in list(self._entries.values()):
            if process.container is blank:
                process.container = container
                if self._named:
                    self._named(process)

    def _read(self, pid: int) -> Process | None:
        """Read one process from /proc (proc(5)); None when it is gone or only waits for its parent."""
        try:
            stat = self._file(pid, "stat").decode("utf-8", "backslashreplace")
            status = self._file(pid, "status")
            arguments = self._file(pid, "cmdline")
        except OSError:
            return None
        # The name in parentheses may itself hold parentheses and spaces.
        comm, fields = stat.partition("(")[2].rpartition(")")[0], stat.rpartition(")")[2].split()
        if fields[0] in _ENDED_STATES:
            return None
        uid = int(status.partition(b"\nUid:")[2].split(None, 1)[0])
        container = self.containers.of(pid)
        return Process(
            pid=pid,
            exe=self._link(pid),
            comm=comm,
            args=_arguments(arguments),
            ppid=int(fields[1]),
            uid=uid,
            user=self._user(uid, container),
            started_at=_booted_at() + int(fields[19]) * _TICK,
            container=container,
        )

    def _user(self, uid: int, container: Container | None) -> str:
        """Give a user's name; a number in a container belongs to that container's own list, of which only root is known."""
        return self._users.name(uid) if container is None or uid == 0 else str(uid)

    def _file(self, pid: int, name: str) -> bytes:
        with open(f"{self._procfs}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  4 us against 11
            return file.read()

    def _link(self, pid: int) -> str:
        """Give the executable as its own namespace names it; empty for kernel threads and processes that ended."""
        try:
            return os.readlink(f"{self._procfs}/{pid}/exe").removesuffix(_DELETED)  # noqa: PTH115
        except OSError:
            return ""


def _arguments(raw: bytes) -> list[str]:
    """Split a command line; a process may have written anything there, with or without NULs."""
    return raw.rstrip(b"\0").decode("utf-8", "backslashreplace").split("\0") if raw.strip(b"\0") else []


def _booted_at() -> int:
    """Give the wall clock's time of the boot, from which /proc counts start times."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)

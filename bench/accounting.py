"""What a process uses, from /proc (proc(5))."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE_LOOK = 0.25
_IDLE_SHARE = 0.2
"""A process that uses less of a core than this has worked off what was waiting; polling alone takes a few per cent."""


def cpu_seconds(pid: int) -> float:
    """Give user and system time of all threads, ended ones included, in steps of 10 ms; 0 for pid 0."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def settle(pid: int, timeout: float = 10.0) -> None:
    """Wait until `pid` has worked off its backlog; at most `timeout` seconds."""
    end = time.monotonic() + timeout
    used = cpu_seconds(pid)
    while pid and time.monotonic() < end:
        time.sleep(_IDLE_LOOK)
        now = cpu_seconds(pid)
        if now - used < _IDLE_SHARE * _IDLE_LOOK:
            return
        used = now


def resident(pid: int) -> dict[str, float]:
    """Give VmRSS and its parts RssAnon, RssFile and RssShmem, in MB."""
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in {"VmRSS", "RssAnon", "RssFile", "RssShmem"}:
            found[name] = int(value.split()[0]) / 1024
    return found


def children(pid: int) -> list[int]:
    """Give the direct children of the main thread of `pid`."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

"""Which processes are JVMs, and which of them may be asked to load an agent.

The question is asked by SIGQUIT, which ends a process that does not catch it, makes OpenJ9 write a dump of several megabytes,
and makes HotSpot print its threads' stacks where attaching is switched off: all that is looked for first.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

_LIBJVM = b"/libjvm.so"
_OPENJ9 = b"/libj9vm"
_SIGQUIT_BIT = 1 << 2
_SWITCHES = (b"-XX:+DisableAttachMechanism", b"-XX:+ReduceSignalUsage", b"-Xrs")
"""Each forbids what attaching needs."""
_STOPPED = ("T", "t", "Z", "X")
_LAST_THREADS = ({b"Notification Th\n"}, {b"VM Periodic Tas\n", b"Sweeper thread\n"})
"""What Threads::create_vm (src/hotspot/share/runtime/threads.cpp) starts once the modules are there: since 14, and before. The
newest start the second kind's first early, and have no sweeper."""
_GROWN_UP = 10.0
"""Seconds of age from which on a JVM without those counts as started: other makers' may have none."""
_TICKS = os.sysconf("SC_CLK_TCK")


class RefusalError(Exception):
    """An agent cannot be loaded into this JVM; the text says why, after "the JVM"."""


class Jvm(msgspec.Struct, frozen=True):
    """One process that runs Java."""

    pid: int
    own_pid: int
    """Its number in its own pid namespace, by which it names its files."""
    uid: int
    """Effective; files that it shall trust belong to it."""
    gid: int


def jvms(procfs: Path = Path("/proc")) -> Iterator[int]:
    """Give the processes that have mapped a libjvm; a look at 530 processes takes 10 ms."""
    for pid in sorted(int(entry) for entry in os.listdir(procfs) if entry.isdigit()):  # noqa: PTH208  50 us against 300
        if is_jvm(pid, procfs):
            yield pid


def is_jvm(pid: int, procfs: Path = Path("/proc")) -> bool:
    """Whether a process has mapped a libjvm; not when it is gone."""
    return _LIBJVM in _read(procfs, pid, "maps")


def describe(pid: int, procfs: Path = Path("/proc")) -> Jvm:
    """Describe the JVM `pid`; raises RefusalError when it cannot be asked, ProcessLookupError when it is gone."""
    maps = _read(procfs, pid, "maps")
    if not maps:
        raise ProcessLookupError(pid)
    if _OPENJ9 in maps:
        raise RefusalError("is OpenJ9, whose TLS is not captured")
    started = _read(procfs, pid, "cmdline").split(b"\0") + re.split(rb"[\0=\s]", _read(procfs, pid, "environ"))
    for switch in _SWITCHES:
        if switch in started:
            raise RefusalError(f"was started with {switch.decode()}; start it without to capture its TLS")
    if _state(procfs, pid) in _STOPPED:
        raise RefusalError("is stopped")
    status = _status(procfs, pid)
    return Jvm(
        pid=pid,
        own_pid=int(status[b"NSpid"].split()[-1]),
        uid=int(status[b"Uid"].split()[1]),
        gid=int(status[b"Gid"].split()[1]),
    )


def catches_sigquit(pid: int, procfs: Path = Path("/proc")) -> bool:
    """Whether SIGQUIT is handled: not yet while it starts, and never with -Xrs. Raises ProcessLookupError."""
    return bool(int(_status(procfs, pid)[b"SigCgt"], 16) & _SIGQUIT_BIT)


def has_started(pid: int, procfs: Path = Path("/proc")) -> bool:
    """Whether a JVM is through with its own start, so that it may be asked. Raises ProcessLookupError.

    SIGQUIT is caught earlier, but who asks then may be too early: the JVM removes any socket of its name afterwards, taking it
    for an older process', and a command that runs before the modules are there fails, and leaves classes behind that stay
    unusable for the program.
    """
    if not catches_sigquit(pid, procfs):
        return False
    threads = _threads(pid, procfs)
    return any(last <= threads for last in _LAST_THREADS) or _age(pid, procfs) > _GROWN_UP


def has_ended(pidfd: int) -> bool:
    """Whether a process has ended; its parent may not know yet."""
    return bool(select.select([pidfd], [], [], 0)[0])


def _status(procfs: Path, pid: int) -> dict[bytes, bytes]:
    lines = _read(procfs, pid, "status").splitlines()
    if not lines:
        raise ProcessLookupError(pid)
    return {name: value.strip() for name, _, value in (line.partition(b":") for line in lines)}


def _threads(pid: int, procfs: Path) -> set[bytes]:
    """Give the names of a process's threads."""
    try:
        return {_read(procfs, pid, f"task/{thread}/comm") for thread in os.listdir(f"{procfs}/{pid}/task")}  # noqa: PTH208
    except FileNotFoundError:
        return set()


def _age(pid: int, procfs: Path) -> float:
    """Give the seconds since a process was forked; field 22 of proc_pid_stat(5)."""
    fields = _read(procfs, pid, "stat").rpartition(b") ")[2].split()
    if not fields:
        raise ProcessLookupError(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / _TICKS


def _state(procfs: Path, pid: int) -> str:
    return _read(procfs, pid, "stat").rpartition(b") ")[2][:1].decode()


def _read(procfs: Path, pid: int, name: str) -> bytes:
    """Read one file of a process; empty when it is gone."""
    try:
        with open(f"{procfs}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  2 us against 9, 500 times
            return file.read()
    except OSError:
        return b""

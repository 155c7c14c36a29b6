"""What each program costs in the kernel, by the kernel's own clock (sysctl kernel.bpf_stats_enabled)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.clients import saturate
from bench.modes import FULL, SUMMARY, Mode
from bench.plan import Plan, say
from bench.report import Row
from bench.server import Server

_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")
_NR_BPF, _PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD = 321, 13, 15
_NAME_AT, _NAME_SIZE = 64, 16
"""Of `name` in struct bpf_prog_info (include/uapi/linux/bpf.h)."""
_RARE = 0.01
"""Programs that run less often than once in a hundred requests are not shown."""


class Used(NamedTuple):
    """What one program used so far."""

    runs: int
    nanoseconds: int


def measure(plan: Plan) -> list[Row]:
    """Give nanoseconds a run and runs a request of every program that matters, tail calls included in their callers."""
    rows: list[Row] = []
    with Server() as server, _statistics():
        for transport, url in server.urls.items():
            for mode in (FULL, SUMMARY):
                say(f"programs, {transport}, {mode.name}")
                rows += _rows(f"{transport}, {mode.name.removeprefix('qtap-tui, ')}", *_run(mode, url, plan.seconds))
    return rows


def _run(mode: Mode, url: str, seconds: float) -> tuple[dict[str, Used], int]:
    with mode.quietly() as pid:
        before = _used(pid)
        requests = saturate(url, seconds).requests
        after = _used(pid)
    return {name: Used(used.runs - before[name].runs, used.nanoseconds - before[name].nanoseconds)
            for name, used in after.items()}, requests  # fmt: skip


def _rows(case: str, used: dict[str, Used], requests: int) -> list[Row]:
    often = {name: one for name, one in used.items() if one.runs > requests * _RARE}
    what = f"time in the kernel's programs, {case}"
    rows = [
        Row(what, f"{name}, {one.runs / requests:.2f} runs a request, each", [one.nanoseconds / one.runs], "ns")
        for name, one in sorted(often.items(), key=lambda item: -item[1].nanoseconds)
    ]
    return [
        *rows,
        Row(what, "all together, a request", [sum(one.nanoseconds for one in used.values()) / requests / 1000], "us"),
    ]


@contextlib.contextmanager
def _statistics() -> Iterator[None]:
    before = _SWITCH.read_text()
    _SWITCH.write_text("1")
    try:
        yield
    finally:
        _SWITCH.write_text(before)


def _used(pid: int) -> dict[str, Used]:
    """Give what the programs of `pid` used, from its descriptors (fdinfo of kernel/bpf/syscall.c)."""
    found = {}
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        fields = dict(line.split(":\t", 1) for line in entry.read_text().splitlines() if ":\t" in line)
        if "run_cnt" in fields:
            found[_name(int(fields["prog_id"]))] = Used(int(fields["run_cnt"]), int(fields["run_time_ns"]))
    return found


def _name(program_id: int) -> str:
    fd = _bpf(_PROG_GET_FD_BY_ID, struct.pack("<III", program_id, 0, 0))
    try:
        info = ctypes.create_string_buffer(_NAME_AT + _NAME_SIZE)
        _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
        return info.raw[_NAME_AT:].partition(b"\0")[0].decode()
    finally:
        os.close(fd)


def _bpf(command: int, attributes: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(_NR_BPF), ctypes.c_long(command), attributes, ctypes.c_long(len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf(2)")
    return result

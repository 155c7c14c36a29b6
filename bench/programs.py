"""What each program costs in the kernel, by the kernel's own clock (sysctl kernel.bpf_stats_enabled)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.clients import saturate
from bench.kernel import program
from bench.modes import FULL, SUMMARY, Mode
from bench.plan import Plan, alone, say, undisturbed
from bench.report import Row
from bench.server import Server

_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")
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
                rows += _rows(
                    f"{transport}, {mode.name.removeprefix('qtap-tui, ')}", *alone(partial(_run, mode, url, plan.seconds))
                )
    return rows


def _run(mode: Mode, url: str, seconds: float) -> tuple[dict[str, Used], int]:
    with mode.quietly() as pid:
        before = _used(pid)
        requests = undisturbed(lambda: saturate(url, seconds)).requests
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
            found[program(int(fields["prog_id"])).name] = Used(int(fields["run_cnt"]), int(fields["run_time_ns"]))
    return found

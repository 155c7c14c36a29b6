"""What a request waits longer while the host is watched: one TLS connection at an easy rate."""

from __future__ import annotations

from bench.clients import mean_latency
from bench.modes import FULL, LIMIT, NOTHING, SSLSNIFF, SSLSNIFF_IS_MISSING, SUMMARY, sslsniff_command
from bench.plan import Plan, alternate
from bench.report import Bound, Row
from bench.server import Server

_RATE = 1000
_TARGET = Bound("<=", 120)
_RATIO_TARGET = Bound("<=", 1.4)
"""120 us where the bare host takes 86 us: this part of the target holds on any machine."""


def measure(plan: Plan) -> list[Row]:
    """Give the mean latency with each way of watching, and its ratio to the bare run beside it."""
    modes = [NOTHING, LIMIT, SUMMARY, FULL]
    if sslsniff_command():
        modes.insert(1, SSLSNIFF)
    with Server() as server:
        found = {
            mode.name: alternate(
                plan, f"latency, {mode.name}", mode.quietly, lambda _pid: mean_latency(server, plan.seconds, _RATE)
            )
            for mode in modes
        }
    what, ratio = "mean latency at 1 000 a second, TLS", "the same, times bare"
    rows = [Row(what, "bare host", [bare for pairs in found.values() for bare, _ in pairs], "us")]
    if SSLSNIFF.name not in found:
        rows.append(Row(what, SSLSNIFF.name, [], note=SSLSNIFF_IS_MISSING))
    for name, pairs in found.items():
        rows.append(Row(what, name, [watched for _, watched in pairs], "us", _TARGET if name == FULL.name else None))
    for name, pairs in found.items():
        target = _RATIO_TARGET if name == FULL.name else None
        rows.append(Row(ratio, name, [watched / bare for bare, watched in pairs], "", target))
    return rows

"""The load on the watched host: nginx with TLS and without, as fast as it can, beside each way of watching."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from bench.accounting import cpu_seconds, settle
from bench.clients import saturate
from bench.modes import FILTERED, FULL, LIMIT, NOTHING, SSLSNIFF, SSLSNIFF_IS_MISSING, SUMMARY, Mode, sslsniff_command
from bench.plan import Plan, alternate
from bench.report import Bound, Row
from bench.server import Server

_KEPT = {
    ("TLS", FULL.name): Bound(">=", 0.45),
    ("TLS", SUMMARY.name): Bound(">=", 0.55),
    ("plain", FULL.name): Bound(">=", 0.75),
}
_ADDED = {("TLS", FULL.name): Bound("<=", 10), ("TLS", SUMMARY.name): Bound("<=", 7)}
_OWN = {("TLS", FULL.name): Bound("<=", 50), ("TLS", SUMMARY.name): Bound("<=", 30)}
_OVER_SSLSNIFF = Bound(">=", 8)
_MODES = {"TLS": (NOTHING, SSLSNIFF, LIMIT, FILTERED, SUMMARY, FULL), "plain": (NOTHING, LIMIT, FILTERED, SUMMARY, FULL)}


class Sample(NamedTuple):
    """One run under load."""

    rate: float
    """Requests a second."""
    cpu: float
    """Microseconds that both ends together used for a request."""
    own: float
    """Microseconds that the watching process used for a request, working off what was left included."""


Found = dict[str, list[tuple[Sample, Sample]]]
"""Pairs of a bare and a watched run, by the name of the mode."""


def measure(plan: Plan) -> list[Row]:
    """Give throughput kept, added and own processor time, for each transport and mode."""
    rows: list[Row] = []
    with Server() as server:
        for transport, modes in _MODES.items():
            rows += _rows(transport, {mode.name: _pairs(plan, server, transport, mode) for mode in modes})
    return rows


def _pairs(plan: Plan, server: Server, transport: str, mode: Mode) -> list[tuple[Sample, Sample]]:
    if mode is SSLSNIFF and not sslsniff_command():
        return []
    label = f"load, {transport}, {mode.name}"
    return alternate(plan, label, mode.quietly, lambda pid: _sample(server, server.urls[transport], plan.seconds, pid))


def _sample(server: Server, url: str, seconds: float, pid: int) -> Sample:
    own, worker = cpu_seconds(pid), server.cpu()
    load = saturate(url, seconds)
    used = server.cpu() - worker + load.cpu
    settle(pid)
    return Sample(load.rate, used / load.requests * 1e6, (cpu_seconds(pid) - own) / load.requests * 1e6)


def _rows(transport: str, found: Found) -> list[Row]:
    def row(what: str, name: str, values: list[float], unit: str, target: Bound | None) -> Row:
        return Row(f"{what}, {transport}", name, values, unit, target, SSLSNIFF_IS_MISSING)

    bare = [pair[0] for pairs in found.values() for pair in pairs]
    rows = [
        row("bare host", "requests a second", [one.rate for one in bare], "", None),
        row("bare host", "processor time a request, both ends", [one.cpu for one in bare], "us", None),
    ]
    kept = {name: [watched.rate / bare.rate for bare, watched in pairs] for name, pairs in found.items()}
    rows += [row("throughput kept", name, kept[name], "", _KEPT.get((transport, name))) for name in found]
    rows += _over_sslsniff(kept)
    for name, pairs in found.items():
        added = [watched.cpu - bare.cpu for bare, watched in pairs]
        rows.append(row("added processor time a request", name, added, "us", _ADDED.get((transport, name))))
    for name, pairs in found.items():
        if name not in {NOTHING.name, LIMIT.name}:
            own = [watched.own for _, watched in pairs]
            rows.append(row("own processor time a request", name, own, "us", _OWN.get((transport, name))))
    return rows


def _over_sslsniff(kept: dict[str, list[float]]) -> list[Row]:
    if not kept.get(SSLSNIFF.name):
        return []
    sniffed = statistics.median(kept[SSLSNIFF.name])
    return [
        Row("throughput kept, TLS", "the same, times sslsniff's", [k / sniffed for k in kept[FULL.name]], "x", _OVER_SSLSNIFF)
    ]

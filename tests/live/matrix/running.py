"""Run cells, and say of each what came of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator

from tests.live.matrix.cell import Bench, Cell, Counts, Mode, Outcome, fault_of


def run(cells: Iterable[Cell], bench: Bench) -> Iterator[tuple[Cell, Outcome]]:
    """Run every mode of every cell; one that the program itself says it lost records in is given a second chance."""
    for cell in cells:
        missing = cell.absent()
        for mode in cell.modes:
            if missing:
                yield cell, Outcome(cell.name, mode, Counts(), absent=missing)
                continue
            outcome = attempt(cell, mode, bench)
            yield cell, attempt(cell, mode, bench) if outcome.counts.lost and not outcome.counts.wrong else outcome


def attempt(cell: Cell, mode: Mode, bench: Bench) -> Outcome:
    """Run one cell once; what goes wrong with its programs is its failure, not the matrix's."""
    outcome, began = Outcome(cell.name, mode, Counts()), time.monotonic()
    try:
        cell.run(bench, mode, outcome)
    except (AssertionError, OSError, subprocess.SubprocessError, ValueError) as error:
        outcome.failure = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    outcome.seconds = time.monotonic() - began
    return outcome


def line_of(cell: Cell, outcome: Outcome) -> str:
    """Say what a run came to, for whoever watches."""
    if outcome.absent:
        return f"{cell.name} ({outcome.mode}): not run: {outcome.absent}"
    counts, fault = outcome.counts, fault_of(cell, outcome)
    seen = f"{counts.client}/{counts.server} of {counts.requests} seen at client/server"
    marked = f"{counts.incomplete} incomplete, {counts.unknown} with unknown fields"
    lost = f", {counts.lost} records lost" if counts.lost else ""
    return (
        f"{cell.name} ({outcome.mode}): {seen}, {marked}{lost}, {outcome.seconds:.1f} s{f' - FAULT: {fault}' if fault else ''}"
    )

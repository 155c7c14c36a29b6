"""Rows of measured values, and the table they make."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Bound(NamedTuple):
    """A figure to reach."""

    sign: str
    """`<`, `<=` or `>=`."""
    limit: float

    def __str__(self) -> str:
        """Give the bound as the table shows it."""
        return f"{self.sign} {self.limit:g}"

    def holds(self, value: float) -> bool:
        """Whether `value` reaches the figure."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit if self.sign == "<=" else value < self.limit


class Row(NamedTuple):
    """One measured thing under one condition."""

    what: str
    case: str
    values: Sequence[float]
    """One value a pair or round; empty when it could not be measured, which `note` then explains."""
    unit: str = ""
    target: Bound | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)


HEADER = ("what", "case", "median", "lowest to highest", "target", "reached")


def cells(row: Row) -> tuple[str, ...]:
    """Give the texts of one row, in the order of HEADER."""
    target = str(row.target) if row.target else ""
    if not row.values:
        return row.what, row.case, row.note or "not measured", "", target, ""
    unit = f" {row.unit}" if row.unit else ""
    digits = _hundredths if row.unit == "%" else _digits
    spread = f"{digits(min(row.values))} to {digits(max(row.values))}" if len(row.values) > 1 else ""
    reached = "" if row.target is None else "yes" if row.target.holds(row.value) else "no"
    return row.what, row.case, f"{digits(row.value)}{unit}", spread, target, reached


def table(rows: Iterable[Row]) -> str:
    """Lay the rows out as a Markdown table with aligned columns; what repeats from the line above is left out."""
    lines = [HEADER, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    out, before = [], ""
    for line in lines:
        shown = ("" if line[0] == before else line[0], *line[1:])
        before = line[0]
        out.append("| " + " | ".join(text.ljust(width) for text, width in zip(shown, widths, strict=True)) + " |")
        if line is lines[0]:
            out.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out) + "\n"


def host() -> str:
    """Name processor, kernel and Python in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    guest = ", virtual machine" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    cpus = len(os.sched_getaffinity(0))
    return f"{cpus} cores of {model}{guest}, {gib:.0f} GiB; Linux {platform.release()}; Python {platform.python_version()}"


def _digits(value: float) -> str:
    """Three digits or so, no exponent."""
    if abs(value) < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}".replace(",", " ")


def _hundredths(value: float) -> str:
    """Enough digits to tell all from almost all."""
    return f"{value:.2f}"

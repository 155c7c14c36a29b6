"""The status line: what the engine does, what is lost, how fast rows come, what the list does, how much memory they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.strip import Strip

from qtap.flow.state import EngineState
from qtap_tui import formats
from qtap_tui.document import Span
from qtap_tui.text import shortened
from qtap_tui.widgets.bars import Bar

_PHASES = {
    "starting": ("accent", "○ STARTING"),
    "live": ("ok", "● LIVE"),
    "replay": ("accent", "▶ REPLAY"),
    "ended": ("dim", "■ ENDED"),
    "failed": ("error", "✗ FAILED"),
}
_GAP: Span = ("dim", "  ")
_EVICTED = "log"
"""The place where rows leave because the memory limit is reached: what was asked for, so said quietly."""
_WORTH = 16
"""Cells from which on a part that is cut still says something."""
_EVERY = 1.0
"""Seconds between two measurements of the rate."""


@dataclass(frozen=True, slots=True)
class ListState:
    """What the list does."""

    shown: int
    filtered: bool
    searching: bool
    following: bool
    paused: bool
    new_rows: int
    gone: int = 0
    """Rows that left during the pause."""
    order: str = ""
    """What rows are sorted by and which way; empty where they stand as they arrived."""
    sorting: bool = False


class Rate:
    """Transactions per second, over the last second or more."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = monotonic()
        self._count: int | None = None
        self.value = 0.0

    def update(self, count: int) -> None:
        """Take note that `count` transactions have come since the start."""
        now = self._monotonic()
        if self._count is None:
            self._at, self._count = now, count
        elif now - self._at >= _EVERY:
            self.value = (count - self._count) / (now - self._at)
            self._at, self._count = now, count


class StatusLine(Bar):
    """One line, from left to right what matters most; what a small screen has no room for is left out, what is last first."""

    _parts: Sequence[list[Span]] = ()

    def update(self, engine: EngineState, listing: ListState, total: int, rate: float, said: Span) -> bool:
        """Show the state; `total` rows are held, `rate` come a second.

        What was `said` takes the place of all but losses, a pause, and how many rows a filter finds. Give False where that has
        no room.
        """
        parts = [[_PHASES[engine.phase]], _problem(engine.problem), _losses(engine.losses)]
        position, counts = _position(listing), _counts(listing, total)
        brief = [*parts, position if listing.paused else [], counts if listing.filtered else [], [said]]
        shown = bool(said[1]) and _length(brief) < self.size.width
        if shown:
            parts = brief
        else:
            parts += [
                [("text", f"{rate:,.0f}/s")],
                position,
                counts,
                [("dim", _memory(engine))],
                [("dim", "" if engine.phase == "failed" else engine.message)],  # that sentence needs more room
            ]
        if parts != self._parts:
            self._parts = parts
            self.refresh()
        return shown

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint what there is room for."""
        width = self._cells.width
        return self.paint(_fitted(self._parts, width - 1), width, "bar")


def _fitted(parts: Sequence[list[Span]], width: int) -> list[Span]:
    """Put gaps between `parts`, as far as they fit; of one that does not, show what has room if that is worth it."""
    spans: list[Span] = []
    left = width
    for part in parts:
        text = "".join([text for _, text in part])
        gap = len(_GAP[1]) if spans else 0
        if text and gap + len(text) <= left:
            spans += [_GAP, *part] if spans else part
            left -= gap + len(text)
        elif text and left - gap >= _WORTH:
            spans += [_GAP, (part[0][0], shortened(text, left - gap))]
            left = 0
    return [("text", " "), *spans]


def _length(parts: Sequence[list[Span]]) -> int:
    lengths = [sum(len(text) for _, text in part) for part in parts if part]
    return sum(lengths) + len(_GAP[1]) * (len(lengths) - 1)


def _problem(sentence: str) -> list[Span]:
    return [("error", f"✗ {sentence}")] if sentence else []


def _losses(losses: dict[str, int]) -> list[Span]:
    counted = {place: number for place, number in losses.items() if number and place != _EVICTED}
    if not counted:
        return []
    places = " ".join(f"{place} {formats.count(number)}" for place, number in sorted(counted.items()))
    return [("loss", f" LOST {places} ")]


def _position(listing: ListState) -> list[Span]:
    new = f"{formats.count(listing.new_rows)} new"
    if listing.paused:
        gone = f", {formats.count(listing.gone)} gone" if listing.gone else ""
        return [("alert", f" PAUSED, {new}{gone} " if listing.new_rows else f" PAUSED{gone} ")]
    if listing.order:
        return _sorted_position(listing, new)
    if listing.following:
        return [("text", "following")]
    return [("alert", f" {new} ↓ G ")] if listing.new_rows else [("text", "not following")]


def _sorted_position(listing: ListState, new: str) -> list[Span]:
    """Say what rows are sorted by; what is followed then is the top."""
    order = ("text", f"{'sorting' if listing.sorting else 'sorted'} by {listing.order}")
    if listing.following:
        return [order, ("text", ", following the top")]
    return [order, ("text", " "), ("alert", f" {new} ↑ g ")] if listing.new_rows else [order]


def _counts(listing: ListState, total: int) -> list[Span]:
    if not listing.filtered:
        return [("text", f"{formats.count(total)} rows")]
    more = "…" if listing.searching else ""
    return [("accent", f"{formats.count(listing.shown)}{more}"), ("text", f" of {formats.count(total)}")]


def _memory(engine: EngineState) -> str:
    limit = f"/{engine.memory_limit >> 20}" if engine.memory_limit else ""
    text = f"mem {engine.memory_used >> 20}{limit} MiB"
    evicted = engine.losses.get(_EVICTED, 0)
    return f"{text}, {formats.count(evicted)} dropped" if evicted else text

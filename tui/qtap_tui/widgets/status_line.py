"""The status line: what the engine does, what is lost, what the list does, how fast rows come, how much memory they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from qtap.flow.state import EngineState
from qtap_tui import formats
from qtap_tui.document import Span
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
    """One line; what matters most stands first, because a small screen cuts the end."""

    def update(self, engine: EngineState, listing: ListState, total: int, rate: float) -> None:
        """Show the state; `total` rows are held, `rate` come a second."""
        spans: list[Span] = [("text", " "), _PHASES[engine.phase]]
        spans += _losses(engine.losses)
        spans += [_GAP, *_position(listing)]
        spans += [_GAP, *_counts(listing, total)]
        spans += [_GAP, ("text", f"{rate:,.0f}/s"), _GAP, ("dim", _memory(engine))]
        if engine.phase != "failed":  # that sentence needs more room
            spans += [_GAP, ("dim", engine.message)]
        self.show(spans)


def _losses(losses: dict[str, int]) -> list[Span]:
    counted = {place: number for place, number in losses.items() if number and place != _EVICTED}
    if not counted:
        return []
    places = " ".join(f"{place} {formats.count(number)}" for place, number in sorted(counted.items()))
    return [_GAP, ("loss", f" LOST {places} ")]


def _position(listing: ListState) -> list[Span]:
    new = f"{formats.count(listing.new_rows)} new"
    if listing.paused:
        return [("alert", f" PAUSED, {new} " if listing.new_rows else " PAUSED ")]
    if listing.following:
        return [("text", "following")]
    return [("alert", f" {new} ↓ G ")] if listing.new_rows else [("text", "not following")]


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

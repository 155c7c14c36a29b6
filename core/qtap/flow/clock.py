"""From the records' clock to the wall's."""

from __future__ import annotations

import time

_STEP = 1_000_000
"""Nanoseconds by which clocks may drift apart before times follow; less would be the noise of reading two clocks."""


def clock_offset() -> int:
    """Nanoseconds to add to CLOCK_MONOTONIC to get the time since the epoch."""
    return time.time_ns() - time.monotonic_ns()


def following(offset: int) -> int:
    """Give the offset that holds now: another one when the wall clock was set, or the host slept, which only that counts."""
    now = clock_offset()
    return now if abs(now - offset) > _STEP else offset

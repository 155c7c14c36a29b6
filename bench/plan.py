"""How long and how often to measure, the alternation of bare and measured runs, and what to do when someone else traces."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeVar

from bench.kernel import newest_id, tracers

Sample = TypeVar("Sample")
_ATTEMPTS = 20
_PATIENCE = 15.0
_DETACHING = 15.0
"""Seconds that the programs of an ended process may take to go."""
_LOOK = 0.1


class Plan(NamedTuple):
    """The size of one run of the benchmark."""

    pairs: int
    seconds: float
    """Of one run under load."""
    rounds: int
    """Of a start, or of anything else that takes less than a second."""


FULL = Plan(pairs=3, seconds=3, rounds=9)
SHORT = Plan(pairs=1, seconds=1, rounds=2)


def alternate(
    plan: Plan, label: str, mode: Callable[[], AbstractContextManager[int]], run: Callable[[int], Sample]
) -> list[tuple[Sample, Sample]]:
    """Give pairs of what `run` gives: bare, then inside `mode`, in turn. `run` gets the pid that `mode` gave, bare 0.

    A pair is measured again when another tracer came meanwhile, since its probes would weigh on both or on one of them.
    """
    found = []
    for number in range(plan.pairs):
        say(f"{label} {number + 1}/{plan.pairs}")
        found.append(alone(lambda: _pair(mode, run)))
    return found


class DisturbedError(Exception):
    """Another tracer came or went during a measurement."""


def alone(measure: Callable[[], Sample]) -> Sample:
    """Give what `measure` gives, again while other tracers come or go; raises DisturbedError after many attempts.

    Tracers that stay belong to the host: every run carries their weight, and the user is told.
    """
    for _ in range(_ATTEMPTS):
        others = _others_that_stay()
        with contextlib.suppress(DisturbedError):
            result = measure()
            if _are_again(others):
                return result
        say("disturbed by another tracer, once more")
    raise DisturbedError("other tracers come and go: end them and start again")


def undisturbed(run: Callable[[], Sample]) -> Sample:
    """Give what `run` gives; raises DisturbedError when any program was loaded meanwhile."""
    before = newest_id()
    result = run()
    if newest_id() != before + 1:
        raise DisturbedError("another tracer was loaded")
    return result


def say(text: str) -> None:
    """Tell on stderr what is being measured."""
    sys.stderr.write(f"bench: {text}\n")


def _pair(mode: Callable[[], AbstractContextManager[int]], run: Callable[[int], Sample]) -> tuple[Sample, Sample]:
    bare = undisturbed(lambda: run(0))
    with mode() as pid:
        return bare, undisturbed(lambda: run(pid))


def _others_that_stay() -> set[int]:
    end = time.monotonic() + _PATIENCE
    while (others := tracers()) and time.monotonic() < end:
        time.sleep(_LOOK)
    if others:
        say(f"other tracers stay ({len(others)} programs) and weigh on every run")
    return others


def _are_again(others: set[int]) -> bool:
    """Whether the tracers are these once the measured one has gone."""
    end = time.monotonic() + _DETACHING
    while (now := tracers()) != others and time.monotonic() < end:
        time.sleep(_LOOK)
    return now == others

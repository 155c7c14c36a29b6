"""How long and how often to measure, the alternation of bare and measured runs, and what to do when someone else traces."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeVar

from bench.kernel import newest_id, strangers

Sample = TypeVar("Sample")
_ATTEMPTS = 20
_PATIENCE = 120.0


class Plan(NamedTuple):
    """The size of one run of the benchmark."""

    pairs: int
    seconds: float
    """Of one run under load."""
    rounds: int
    """Of a start, or of anything else that takes less than a second."""


FULL = Plan(pairs=5, seconds=3, rounds=9)
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
    """Another tracer was loaded during a measurement."""


def alone(measure: Callable[[], Sample]) -> Sample:
    """Give what `measure` gives, again if another tracer disturbed it; raises DisturbedError after many attempts."""
    for _ in range(_ATTEMPTS):
        _wait_until_alone()
        try:
            return measure()
        except DisturbedError:
            say("disturbed by another tracer, once more")
    raise DisturbedError("another tracer keeps coming: end it and start again")


def undisturbed(run: Callable[[], Sample], pid: int) -> Sample:
    """Give what `run` gives; raises DisturbedError when others than this process and `pid` trace, or began to meanwhile."""
    if strangers(pid):
        raise DisturbedError("another tracer runs")
    before = newest_id()
    result = run()
    if newest_id() != before + 1:
        raise DisturbedError("another tracer was loaded")
    return result


def say(text: str) -> None:
    """Tell on stderr what is being measured."""
    sys.stderr.write(f"bench: {text}\n")


def _pair(mode: Callable[[], AbstractContextManager[int]], run: Callable[[int], Sample]) -> tuple[Sample, Sample]:
    bare = undisturbed(lambda: run(0), 0)
    with mode() as pid:
        return bare, undisturbed(lambda: run(pid), pid)


def _wait_until_alone() -> None:
    end, told = time.monotonic() + _PATIENCE, False
    while strangers(0) and time.monotonic() < end:
        if not told:
            say("waiting for another tracer to end")
        told = True
        time.sleep(0.1)

"""How long and how often to measure, and the alternation of bare and measured runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeVar

Sample = TypeVar("Sample")


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
    """Give pairs of what `run` gives: bare, then inside `mode`, in turn. `run` gets the pid that `mode` gave, bare 0."""
    found = []
    for number in range(plan.pairs):
        say(f"{label} {number + 1}/{plan.pairs}")
        bare = run(0)
        with mode() as pid:
            found.append((bare, run(pid)))
    return found


def say(text: str) -> None:
    """Tell on stderr what is being measured."""
    sys.stderr.write(f"bench: {text}\n")

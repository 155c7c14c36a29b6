"""The processor time that capture allows itself, by a clock of the test's own."""

from __future__ import annotations

import os

import pytest

from qtap.capture import priority
from qtap.capture.priority import Budget


class Clock:
    def __init__(self) -> None:
        self.now = self.used = 0.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(priority, "time", clock)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return clock


def test_a_burst_is_free_and_long_work_rests_until_it_has_its_share(clock: Clock) -> None:
    budget = Budget()
    clock.now = clock.used = 0.1
    assert budget.overdrawn() == 0.0
    worked = rested = 0.0
    for _ in range(1000):
        clock.now += 0.01
        clock.used += 0.01
        worked += 0.01
        rest = budget.overdrawn()
        clock.now += rest
        rested += rest
    assert worked / (worked + rested) == pytest.approx(0.6, abs=0.02)


def test_a_rest_is_short_even_when_another_thread_has_run_up_a_debt(clock: Clock) -> None:
    budget = Budget()
    clock.now, clock.used = 1.0, 9.0
    assert budget.overdrawn() == 0.05


def test_idle_time_is_saved_only_so_far(clock: Clock) -> None:
    budget = Budget()
    clock.now = 1000.0
    assert budget.overdrawn() == 0.0
    clock.now, clock.used = 1000.1, 0.3
    assert budget.overdrawn() > 0.0

"""The processor time that capture allows itself, by a clock of the test's own."""

from __future__ import annotations

import os

import pytest

from qtap.capture import priority
from qtap.capture.priority import Budget


class Host:
    """A clock, a process that uses processor time, and two processors that are idle for a share of the time."""

    def __init__(self) -> None:
        self.now = self.used = self.idle = 0.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used

    def pass_time(self, seconds: int, budget: Budget, *, idle: float) -> float:
        """Work whenever the budget allows it; give the processors used."""
        before = self.used
        for _ in range(seconds * 1000):
            worked = 0.0 if budget.overdrawn() else 0.001
            self.now += 0.001
            self.used += worked
            self.idle += 2 * 0.001 * idle
        return (self.used - before) / seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Host:
    clock = Host()
    monkeypatch.setattr(priority, "time", clock)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return clock


@pytest.fixture
def budget(clock: Host) -> Budget:
    return Budget(lambda: clock.idle)


def test_a_burst_is_free_and_long_work_rests_until_it_has_its_share(clock: Host, budget: Budget) -> None:
    clock.now = clock.used = 0.1
    assert budget.overdrawn() == 0.0
    clock.pass_time(2, budget, idle=0.5)
    assert clock.pass_time(10, budget, idle=0.5) == pytest.approx(0.6, abs=0.02)


def test_the_share_is_half_where_the_host_has_nothing_left(clock: Host, budget: Budget) -> None:
    clock.pass_time(2, budget, idle=0)
    assert clock.pass_time(10, budget, idle=0) == pytest.approx(0.3, abs=0.02)
    clock.pass_time(5, budget, idle=0.5)
    assert clock.pass_time(10, budget, idle=0.5) == pytest.approx(0.6, abs=0.02)


def test_a_rest_is_short_even_when_another_thread_has_run_up_a_debt(clock: Host, budget: Budget) -> None:
    clock.now, clock.used = 1.0, 9.0
    assert budget.overdrawn() == 0.05


def test_idle_time_is_saved_only_so_far(clock: Host, budget: Budget) -> None:
    clock.now = 1000.0
    assert budget.overdrawn() == 0.0
    clock.now, clock.used = 1000.1, 0.3
    assert budget.overdrawn() > 0.0

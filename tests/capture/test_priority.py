from __future__ import annotations

import os
import threading
import time

import pytest

from qtap.capture.priority import Budget, idle_seconds, yield_to_traffic


def test_every_thread_but_the_main_one_yields() -> None:
    before = os.getpriority(os.PRIO_PROCESS, os.getpid())
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield_to_traffic()
        assert thread.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) == 10
        assert os.sched_getscheduler(thread.native_id) == os.SCHED_BATCH
        assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == before
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
    finally:
        done.set()
        thread.join()


class Host:
    """A clock, a process that uses processor time, and a processor that is idle for a share of the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.used = self.idle = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "process_time", lambda: self.used)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        self.budget = Budget(lambda: self.idle)

    def pass_time(self, seconds: int, *, idle: float) -> float:
        """Use as much as the budget allows; give the processor seconds used per second."""
        before = self.used
        for _ in range(seconds * 1000):
            rests = self.budget.overdrawn() > 0
            self.now += 0.001
            self.used += 0 if rests else 0.001
            self.idle += 0.001 * 2 * idle
        return (self.used - before) / seconds


def test_the_budget_is_less_where_the_host_has_nothing_left(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    host.pass_time(2, idle=0.5)
    assert host.pass_time(10, idle=0.5) == pytest.approx(0.6, rel=0.05)
    host.pass_time(2, idle=0)
    assert host.pass_time(10, idle=0) == pytest.approx(0.3, rel=0.05)
    host.pass_time(5, idle=0.5)
    assert host.pass_time(10, idle=0.5) == pytest.approx(0.6, rel=0.05)


def test_idle_time_is_of_this_host() -> None:
    assert idle_seconds() > 0

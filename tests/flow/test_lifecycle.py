"""What is told of processes, when, and how often."""

from __future__ import annotations

from qtap.flow.lifecycle import Lifecycle
from qtap.model import Container, Process
from tests.flow.kernel import Told

SECOND = 1_000_000_000


class Tells(Told):
    """Remembers what was said at the time: a process goes on changing."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[int, str, bool, int]] = []

    def process_seen(self, process: Process) -> None:
        self.said.append((process.pid, process.exe, process.replaced, process.ended_at))


def test_a_process_starts_is_replaced_and_stops() -> None:
    told = Tells()
    lifecycle = Lifecycle(told)
    lifecycle.started(Process(7, "/bin/sh"), 1)
    lifecycle.started(Process(7, "/bin/curl"), 2)
    lifecycle.exited(7, 3)
    lifecycle.exited(7, 4)
    assert told.said == [(7, "/bin/sh", False, 0), (7, "/bin/curl", True, 0), (7, "/bin/curl", True, 3)]
    assert len(lifecycle) == 0


def test_one_that_ran_before_is_told_of_at_its_first_connection() -> None:
    told = Tells()
    lifecycle = Lifecycle(told)
    process = Process(7, "/bin/nginx")
    lifecycle.seen(process, 1)
    lifecycle.seen(process, 2)
    lifecycle.exited(8, 3)
    assert told.said == [(7, "/bin/nginx", False, 0)]


def test_starts_beyond_a_budget_are_counted_and_their_ends_are_not_told() -> None:
    told = Tells()
    lifecycle = Lifecycle(told)
    for pid in range(1, 1500):
        lifecycle.started(Process(pid), 5 * SECOND)
    for pid in range(1, 1500):
        lifecycle.exited(pid, 5 * SECOND)
    assert (len(told.said), lifecycle.untold) == (2000, 499)
    lifecycle.started(Process(2000), 6 * SECOND)
    lifecycle.seen(Process(1499), 6 * SECOND)
    assert [pid for pid, *_ in told.said[2000:]] == [2000, 1499]


def test_a_process_of_a_new_container_waits_for_its_name() -> None:
    told = Tells()
    lifecycle = Lifecycle(told)
    process = Process(7, container=Container("ab"))
    lifecycle.started(process, SECOND)
    lifecycle.tick(SECOND + 1)
    assert told.said == []
    process.container = Container("ab", "web")
    lifecycle.tick(SECOND + 2)
    assert [pid for pid, *_ in told.said] == [7]


def test_nothing_waits_longer_than_half_a_second_or_beyond_its_end() -> None:
    told = Tells()
    lifecycle = Lifecycle(told)
    for pid in (7, 8, 9):
        lifecycle.started(Process(pid, container=Container("ab")), SECOND)
    lifecycle.exited(8, SECOND)
    assert told.said == [(8, "", False, 0), (8, "", False, SECOND)]
    lifecycle.started(Process(9, "/bin/curl", container=Container("ab")), SECOND)
    lifecycle.tick(SECOND + SECOND // 2)
    assert [pid for pid, *_ in told.said[2:]] == [9, 7, 9]
    lifecycle.started(Process(10, container=Container("ab")), 2 * SECOND)
    lifecycle.stop()
    assert told.said[-1] == (10, "", False, 0)

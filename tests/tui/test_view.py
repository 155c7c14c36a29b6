"""What the list shows: all rows, or those that a filter finds."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qtap.flow.log import TransactionLog
from qtap.model import Transaction
from qtap_tui.sorting import Key
from qtap_tui.view import View
from qtap_tui.words import Word, matches, parse
from tests.tui.synthetic import transaction

WHOLE = 10**12
"""Nanoseconds that no search here needs."""


def log_of(*targets: str) -> TransactionLog:
    log = TransactionLog(1 << 40)
    for target in targets:
        log.add(transaction(target=target))
    return log


def view_of(log: TransactionLog) -> View:
    view = View(log)
    view.poll()
    return view


def size(transaction: Transaction, _now: int) -> int:
    return transaction.response.wire_size


def status(transaction: Transaction, _now: int) -> int:
    return transaction.status


def numbers(view: View) -> list[int]:
    return [view.number(position) for position in range(len(view))]


def search(view: View, *words: str) -> list[int]:
    view.filter(parse(" ".join(words)))
    while view.search(WHOLE):
        pass
    return numbers(view)


def test_a_filter_finds_rows_of_the_past_and_of_the_future() -> None:
    log = log_of("/a", "/b", "/ab")
    view = view_of(log)
    assert search(view, "a.example.com", "/a") == []
    assert search(view, "/a") == [0, 2]
    log.add(transaction(target="/abc"))
    view.poll()
    assert numbers(view) == [0, 2, 3]


def test_the_newest_rows_are_found_first() -> None:
    log = TransactionLog(1 << 40)
    rows = [transaction(target="/a"), transaction(target="/b")]
    for number in range(20_000):
        log.add(rows[number % 2])
    view = view_of(log)
    while view.end < 20_000:
        view.poll()
    view.filter(parse("/b"))
    assert view.search(1)
    found = numbers(view)
    assert found == list(range(20_000 - 2 * len(found) + 1, 20_000, 2))
    assert 0 < len(found) < 10_000
    assert [view.position(number) for number in found] == list(range(len(found)))


def test_a_narrower_filter_looks_only_at_what_the_last_one_found() -> None:
    log = log_of(*["/x", "/ab", "/abc"] * 50)
    view = view_of(log)
    search(view, "/ab")
    looked_at: list[int] = []
    real = log.get

    def get(number: int) -> Transaction | None:
        looked_at.append(number)
        return real(number)

    log.get = get  # type: ignore[method-assign]
    assert len(search(view, "/abc")) == 50
    assert len(looked_at) == 100


def test_a_wider_filter_looks_at_everything_again() -> None:
    view = view_of(log_of("/ab", "/abc", "/b"))
    assert search(view, "/abc") == [1]
    assert search(view, "/ab") == [0, 1]
    assert search(view) == [0, 1, 2]


def test_a_filter_narrowed_while_it_searches_still_finds_everything() -> None:
    log = log_of(*["/ab", "/abc", "/x"] * 1000)
    view = view_of(log)
    while view.end < log.end:
        view.poll()
    view.filter(parse("/a"))
    view.search(1)
    view.filter(parse("/ab"))
    view.search(1)
    assert search(view, "/abc") == list(range(1, 3000, 3))


def test_a_live_row_is_found_once_its_status_comes() -> None:
    log = TransactionLog(1 << 40)
    late = transaction(status=0, finished=False)
    log.add(late)
    log.add(transaction(status=503))
    view = view_of(log)
    assert search(view, "503") == [1]
    late.status = 503
    view.poll()
    assert numbers(view) == [0, 1]
    late.finished = True
    view.poll()
    assert numbers(view) == [0, 1]


def test_a_live_row_that_changes_during_a_search_is_found_once() -> None:
    log = TransactionLog(1 << 40)
    late = [transaction(status=0, finished=False) for _ in range(3000)]
    for row in late:
        log.add(row)
    view = view_of(log)
    view.filter(parse("503"))
    view.search(1)
    for row in late[::100]:
        row.status, row.finished = 503, True
    view.poll()
    while view.search(WHOLE):
        pass
    assert numbers(view) == list(range(0, 3000, 100))


def test_rows_that_leave_the_log_leave_the_view() -> None:
    log = log_of("/a", "/b", "/a", "/b", "/a")
    view = view_of(log)
    search(view, "/a")
    log.limit = log.used - 2500
    log.add(transaction(target="/a"))
    view.poll()
    assert numbers(view) == [number for number in (0, 2, 4, 5) if number >= log.first]
    assert log.first > 0


def test_a_pause_lets_no_row_in_and_counts_them() -> None:
    log = log_of("/a", "/b")
    view = view_of(log)
    view.pause(paused=True)
    log.add(transaction())
    view.poll()
    assert (len(view), view.held_back) == (2, 1)
    view.pause(paused=False)
    view.poll()
    assert (len(view), view.held_back) == (3, 0)


def test_a_cleared_log_leaves_an_empty_view_even_in_a_pause() -> None:
    log = log_of("/a", "/b")
    view = view_of(log)
    view.pause(paused=True)
    log.clear()
    view.poll()
    assert numbers(view) == []


def settle(view: View) -> list[int]:
    while view.search(WHOLE):
        pass
    return numbers(view)


def test_rows_stand_in_the_order_of_a_key_and_new_ones_come_into_their_place() -> None:
    log = TransactionLog(1 << 40)
    for code in (404, 200, 503, 200):
        log.add(transaction(status=code))
    view = view_of(log)
    view.sort(status, reverse=False)
    assert settle(view) == [1, 3, 0, 2]
    log.add(transaction(status=302))
    view.poll()
    assert numbers(view) == [1, 3, 4, 0, 2]
    view.sort(status, reverse=True)
    assert numbers(view) == [2, 0, 4, 3, 1]
    assert [view.position(number) for number in numbers(view)] == [0, 1, 2, 3, 4]
    view.sort(None, reverse=True)
    assert numbers(view) == [4, 3, 2, 1, 0]
    view.sort(None, reverse=False)
    assert numbers(view) == [0, 1, 2, 3, 4]


def test_a_live_row_moves_when_its_value_changes_but_not_in_a_pause() -> None:
    log = TransactionLog(1 << 40)
    rows = [transaction(status=200, finished=False), transaction(status=404), transaction(status=503)]
    for row in rows:
        log.add(row)
    view = view_of(log)
    view.sort(status, reverse=False)
    assert settle(view) == [0, 1, 2]
    view.pause(paused=True)
    rows[0].status, rows[0].finished = 500, True
    view.poll()
    assert numbers(view) == [0, 1, 2]
    view.pause(paused=False)
    view.poll()
    assert numbers(view) == [1, 0, 2]


def test_rows_are_sorted_in_slices_the_newest_first_and_the_chosen_one_at_once() -> None:
    log = TransactionLog(1 << 40)
    rows = [transaction(status=200), transaction(status=404)]
    for number in range(20_000):
        log.add(rows[number % 2])
    view = view_of(log)
    while view.end < 20_000:
        view.poll()
    view.sort(status, reverse=False, keep=7)
    assert numbers(view) == [7]
    assert view.search(1)
    assert view.sorting
    assert sorted(numbers(view)) == [7, *range(20_001 - len(view), 20_000)]
    assert 1 < len(view) < 2000
    assert settle(view) == [*range(0, 20_000, 2), *range(1, 20_000, 2)]
    assert not view.sorting


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the view holds what a search from the beginning would find."""

    def __init__(self) -> None:
        super().__init__()
        self.log = TransactionLog(12_000)
        self.view = View(self.log)
        self.words: tuple[Word, ...] = ()
        self.key: Key | None = None
        self.reverse = False

    @rule(
        path=st.sampled_from(["/a", "/ab", "/abc", "/b"]),
        status=st.sampled_from([0, 200, 503]),
        header=st.sampled_from([b"", b"X-A: /ab\r\n", b"X-Id: 503\r\n"]),
    )
    def arrive(self, path: str, status: int, header: bytes) -> None:
        self.log.add(transaction(target=path, status=status, finished=status > 0, request_headers=header))

    @rule(data=st.data(), status=st.sampled_from([200, 503]))
    def answer(self, data: st.DataObject, status: int) -> None:
        live = [row for _, row in self.log.rows(self.log.first, self.log.end) if not row.finished]
        if live:
            row = data.draw(st.sampled_from(live))
            row.status, row.finished = status, True

    @rule(
        typed=st.sampled_from(
            ["", "/a", "/ab", "/abc", "503", "503 /a", "x-a", "x-a:/", "x-id:503 /a", "status:5", "header:50"]
        )
    )
    def filter(self, typed: str) -> None:
        self.words = parse(typed)
        self.view.filter(self.words)

    @rule(key=st.sampled_from([None, status, size]), reverse=st.booleans(), keep=st.integers(0, 20))
    def sort(self, key: Key | None, keep: int, *, reverse: bool) -> None:
        self.key, self.reverse = key, reverse
        self.view.sort(key, reverse=reverse, keep=keep)

    @rule()
    def search(self) -> None:
        self.view.search(1)

    @rule()
    def poll(self) -> None:
        self.view.poll()

    @rule()
    def clear(self) -> None:
        self.log.clear()

    @invariant()
    def holds_what_matches(self) -> None:
        self.view.poll()
        while self.view.search(WHOLE):
            pass
        rows = self.log.rows(self.log.first, self.log.end)
        wanted = [(number, row) for number, row in rows if matches(row, self.words)]
        if (key := self.key) is not None:
            wanted.sort(key=lambda one: (key(one[1], 0), one[0]))
        if self.reverse:
            wanted.reverse()
        assert numbers(self.view) == [number for number, _ in wanted]
        assert [self.view.position(number) for number, _ in wanted] == [*range(len(wanted))]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

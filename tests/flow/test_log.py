from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qtap.flow.log import TransactionLog
from qtap.flow.sinks import LogSink
from qtap.model import Connection, Message, Process, Transaction

CONNECTION = Connection(id="c", process=Process(1))


def transaction(name: str, body: int = 0) -> Transaction:
    return Transaction(id=name, connection=CONNECTION, response=Message(body=bytes(body)))


def test_rows_keep_their_number_when_older_ones_are_dropped() -> None:
    log = TransactionLog(limit=100 * transaction("").cost)
    for number in range(5000):
        assert log.add(transaction(str(number))) == number
    assert (log.end, len(log), log.evicted) == (5000, 100, 4900)
    assert [row.id for _, row in log.rows(0, 10_000)] == [str(n) for n in range(4900, 5000)]
    assert log.get(4899) is None
    kept = log.get(4900)
    assert kept is not None
    assert kept.id == "4900"


def test_the_newest_row_stays_even_when_it_alone_is_over_the_limit() -> None:
    log = TransactionLog(limit=10)
    for number in range(3):
        log.add(transaction(str(number), body=1000))
    assert [number for number, _ in log.rows(0, 3)] == [2]


def test_a_row_that_grew_is_charged_when_it_finishes() -> None:
    sink = LogSink(TransactionLog(limit=1 << 20))
    live, other = transaction("live"), transaction("other")
    sink.transaction_opened(live)
    sink.transaction_opened(other)
    before = sink.log.used
    live.response.body = bytes(1000)
    sink.transaction_finished(live)
    assert sink.log.used == before + 1000


@given(st.lists(st.one_of(st.integers(0, 5000), st.just("clear"), st.just("grow"))), st.integers(1, 40_000))
def test_what_is_charged_is_what_is_held(steps: list[int | str], limit: int) -> None:
    sink = LogSink(TransactionLog(limit))
    live: list[Transaction] = []
    names = itertools.count()
    for step in steps:
        if step == "clear":
            sink.clear()
        elif step == "grow" and live:
            grown = live.pop()
            grown.response.body = bytes(7777)
            sink.transaction_finished(grown)
        elif isinstance(step, int):
            live.append(transaction(str(next(names)), body=step))
            sink.transaction_opened(live[-1])
    log = sink.log
    rows = list(log.rows(log.first, log.end))
    assert len(rows) == len(log)
    settled = sum(t.cost for _, t in rows)
    assert log.used == settled
    assert log.used <= limit or len(log) == 1

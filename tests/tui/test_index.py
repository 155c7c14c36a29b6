"""What a filter looks through: it finds what looking at each row finds, in bounded memory."""

from __future__ import annotations

import pytest

from qtap.flow.log import TransactionLog
from qtap.model import Transaction
from qtap_tui.index import SHIFT, Index
from qtap_tui.words import fits_line, parse
from tests.tui.synthetic import NGINX, transaction

ROWS = 1 << SHIFT


def row(number: int) -> Transaction:
    """Make rows of which some are live, some very long, many alike."""
    if number % 97 == 0:
        return transaction(number, status=0, target="/live", finished=False)
    if number % 89 == 0:
        return transaction(number, target="/long/" + "x" * 5000 + "/end")
    if number % 3 == 0:
        return transaction(number, process=NGINX, server=True, target="/same")
    return transaction(number, method="POST" if number % 5 else "GET", target=f"/v1/{number}", status=200 + number % 4)


def index_of(log: TransactionLog, **options: int) -> Index:
    index = Index(log, **options)
    while index.grow():
        pass
    return index


@pytest.fixture(scope="module")
def log() -> TransactionLog:
    log = TransactionLog(1 << 40)
    for number in range(4 * ROWS + 100):
        log.add(row(number))
    return log


@pytest.mark.parametrize(
    "typed",
    [
        "/v1/1", "nginx", "zzz", "post 201", "/end", "/live", "e o /v1/9", ":443", ":4010", "10.0.0.5:40009 post", "port:40017",
        "status:2xx", "status:203 path:/v1/7", "path:get", "method:get host:api", "pid:77", "pid:7", "process:ngi",
        "container:web", "container:0123", "header:curl", "status:",
    ],
)  # fmt: skip
def test_it_finds_what_looking_at_each_row_finds_newest_first(log: TransactionLog, typed: str) -> None:
    index, words = index_of(log), parse(typed)
    for start, stop in ((0, ROWS), (ROWS + 7, 2 * ROWS), (2 * ROWS, 3 * ROWS - 5), (4 * ROWS, log.end)):
        expected = [number for number, found in log.rows(start, stop) if fits_line(words, found)]
        assert index.find(start, stop, words) == expected[::-1]


def test_a_live_row_is_found_by_what_came_later() -> None:
    log = TransactionLog(1 << 40)
    late = transaction(0, status=0, target="/late", finished=False)
    for number in range(3 * ROWS):
        log.add(late if number == 5 else transaction(number))
    index = index_of(log)
    assert index.find(0, ROWS, parse("418")) == []
    late.status, late.finished = 418, True
    assert index.find(0, ROWS, parse("418")) == [5]


def test_rows_that_left_the_log_are_forgotten_and_the_limit_is_kept() -> None:
    cost = transaction().cost
    log = TransactionLog(6 * ROWS * cost)
    index = Index(log, limit=300_000)
    for number in range(40 * ROWS):
        log.add(transaction(target=f"/{number}"))
        if number % ROWS == 0:
            while index.grow():
                pass
            assert index.used <= 300_000
    assert index.used > 0
    assert index.find(0, ROWS, parse("get")) == []
    assert index.find(log.first, (log.first | (ROWS - 1)) + 1, parse("get"))[-1] == log.first

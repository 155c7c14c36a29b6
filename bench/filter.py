"""How long the list takes to find all hits of a filter, as it is typed, among 100 000 rows, those in headers, and to sort."""

from __future__ import annotations

import time

from bench.plan import Plan, say
from bench.report import Bound, Row
from qtap.flow.log import TransactionLog
from qtap.model import Connection, Endpoint, Message, Process, Transaction
from qtap_tui.columns import COLUMNS
from qtap_tui.view import View
from qtap_tui.words import parse

_ROWS = 100_000
_SLICE = 5_000_000
"""Nanoseconds between two looks for keys, as on the screen."""
_TYPED = {"that fit every row": ("o", "or", "orders"), "that fit few": ("8", "87", "875"), "that fit none": ("z", "zz", "zzz")}
_SORTED_BY = ("path", "duration")
_PORTS = 1000
_HEAD = b"GET / HTTP/1.1\r\n" + b"".join(b"X-Header-%d: some value of it\r\n" % number for number in range(12))


def measure(plan: Plan) -> list[Row]:
    """Give milliseconds a key for words that fit all, few and no rows."""
    say("filter")
    view = _view()
    rows, in_headers = [], []
    for what, words in _TYPED.items():
        taken = [_search(view, word) for _ in range(plan.rounds) for word in words]
        in_headers += [headers for _, headers in taken if headers]
        rows.append(
            Row("filter over 100 000 rows, a key", f"words {what}", [at_once for at_once, _ in taken], "ms", Bound("<=", 10))
        )
    rows.append(Row("filter over 100 000 rows, a key", "the headers of rows not found by then", in_headers, "ms"))
    sorts = [_sort(view, name) for _ in range(plan.rounds) for name in _SORTED_BY]
    return [*rows, Row("sort of 100 000 rows, in slices of 5 ms", f"by {' or '.join(_SORTED_BY)}", sorts, "ms")]


def _view() -> View:
    process, message = Process(77, exe="/usr/sbin/nginx"), Message(head=_HEAD)
    connections = [
        Connection(str(port), process=process, local=Endpoint("10.0.0.1", 443), remote=Endpoint("10.0.0.2", 50000 + port))
        for port in range(_PORTS)
    ]
    log = TransactionLog(1 << 40)
    for number in range(_ROWS):
        target, connection = f"/v1/orders/{number}?page=2", connections[number % _PORTS]
        log.add(
            Transaction(
                "t", connection, method="GET", target=target, status=200, host="shop.example", finished=True, request=message,
                response=message,
            )
        )  # fmt: skip
    view = View(log)
    for _ in range(_ROWS // 100):  # the screen's looks at the log; the last ones only keep lines for the filter
        view.poll()
    return view


def _sort(view: View, name: str) -> float:
    """Give the milliseconds until all rows are sorted."""
    view.filter(())
    start = time.perf_counter()
    view.sort(COLUMNS[name].key, reverse=True)
    while view.search(_SLICE):
        pass
    return (time.perf_counter() - start) * 1000


def _search(view: View, typed: str) -> tuple[float, float]:
    """Give the milliseconds until all but headers was searched, and those for the headers."""
    start = time.perf_counter()
    view.filter(parse(typed))
    while view.search(_SLICE) and not view.searching_headers:
        pass
    found = time.perf_counter()
    while view.search(_SLICE):
        pass
    return (found - start) * 1000, (time.perf_counter() - found) * 1000 if view.words[0].head else 0

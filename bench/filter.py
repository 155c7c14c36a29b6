"""How long the list takes to find all hits of a filter, as it is typed, among 100 000 rows."""

from __future__ import annotations

import time

from bench.plan import Plan, say
from bench.report import Bound, Row
from qtap.flow.log import TransactionLog
from qtap.model import Connection, Endpoint, Process, Transaction
from qtap_tui.view import View

_ROWS = 100_000
_SLICE = 5_000_000
"""Nanoseconds between two looks for keys, as on the screen."""
_TYPED = {"that fit every row": ("o", "or", "orders"), "that fit few": ("8", "87", "875"), "that fit none": ("z", "zz", "zzz")}


def measure(plan: Plan) -> list[Row]:
    """Give milliseconds a key for words that fit all, few and no rows."""
    say("filter")
    view = _view()
    rows = []
    for what, words in _TYPED.items():
        taken = [_search(view, word) for _ in range(plan.rounds) for word in words]
        rows.append(Row("filter over 100 000 rows, a key", f"words {what}", taken, "ms", Bound("<=", 10)))
    return rows


def _view() -> View:
    connection = Connection(
        id="c", process=Process(77, exe="/usr/sbin/nginx"), local=Endpoint("10.0.0.1", 443), remote=Endpoint("10.0.0.2", 50000)
    )
    log = TransactionLog(1 << 40)
    for number in range(_ROWS):
        target = f"/v1/orders/{number}?page=2"
        log.add(Transaction("t", connection, method="GET", target=target, status=200, host="shop.example", finished=True))
    view = View(log)
    for _ in range(_ROWS // 100):  # the screen's looks at the log; the last ones only keep lines for the filter
        view.poll()
    return view


def _search(view: View, word: str) -> float:
    start = time.perf_counter()
    view.filter((word,))
    while view.search(_SLICE):
        pass
    return (time.perf_counter() - start) * 1000

"""What user space pays for a transaction: records of real traffic, kept once in this run, fed to the connection table."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from bench.plan import Plan, say
from bench.report import Bound, Row
from bench.server import Server
from bench.tape import Tape, load, record
from qtap.exports.event import line_for
from qtap.exports.http_transaction import Level
from qtap.flow.log import TransactionLog
from qtap.flow.sinks import LogSink
from qtap.flow.table import ConnectionTable
from qtap.model import Process, Transaction

_BATCH = 256
"""Records between two ticks, as a round of the reader has at a few thousand transactions a second."""
_LINES = 10_000
_TARGET = Bound("<", 25)


class Kept(LogSink):
    """The log's sink, which also counts what is whole and keeps some for the lines."""

    def __init__(self) -> None:
        super().__init__(TransactionLog(256 << 20))
        self.whole = 0
        self.some: list[Transaction] = []

    def transaction_finished(self, transaction: Transaction) -> None:
        """Keep it."""
        super().transaction_finished(transaction)
        self.whole += not transaction.incomplete
        if len(self.some) < _LINES:
            self.some.append(transaction)


def measure(plan: Plan) -> list[Row]:
    """Give the time for a transaction from ring to log, for a line at each level, and for a record of the ring alone."""
    rows: list[Row] = []
    with Server() as server:
        for transport in server.urls:
            say(f"records, {transport}")
            rows += _rows(transport, load(record(server, transport)), plan.rounds)
    return rows


def _rows(transport: str, tape: Tape, rounds: int) -> list[Row]:
    gc.freeze()
    played = [play(tape) for _ in range(rounds)]
    transactions = played[0][1].whole
    some = played[0][1].some
    what = f"user space, {transport} transaction"
    return [
        Row(what, "ring to log", [seconds / transactions * 1e6 for seconds, _ in played], "us", _TARGET),
        *(Row(what, f"its line, level {level}", _timed(rounds, some, _line_of(level)), "us") for level in _LEVELS),
        Row(what, "the same as records", [len(tape.offsets) / seconds for seconds, _ in played], "a second"),
    ]


_LEVELS: tuple[Level, ...] = ("full", "summary")


def _line_of(level: Level) -> Callable[[Transaction], object]:
    return lambda transaction: line_for(transaction, level, ("host:bench",))


def _timed(rounds: int, transactions: list[Transaction], encode: Callable[[Transaction], object]) -> list[float]:
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for transaction in transactions:
            encode(transaction)
        found.append((time.process_time() - start) / len(transactions) * 1e6)
    return found


def play(tape: Tape) -> tuple[float, Kept]:
    """Feed the whole tape; give the processor time in seconds, and what came out."""
    sink, process = Kept(), Process(1)
    table = ConnectionTable(sink, lambda _pid: process, body_limit=2 << 20)
    start = time.process_time()
    for number, offset in enumerate(tape.offsets):
        table.take(tape.pages, offset)
        if not number % _BATCH:
            table.tick()
    table.stop()
    return time.process_time() - start, sink

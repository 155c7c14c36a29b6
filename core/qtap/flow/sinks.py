"""Sinks of the engine itself: one that passes on to several, and one that keeps the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from qtap.flow.log import TransactionLog
from qtap.model import Connection, Loss, Process, Sink, Transaction

_SETTLE_EVERY = 1.0
"""Seconds at least between two charges of growing bodies against the log's limit."""
_SETTLE_CHECK = 32
"""Rows between two looks at the clock."""


class FanOut:
    """Passes everything on to each of `sinks`, in order."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def transaction_opened(self, transaction: Transaction) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.transaction_opened(transaction)

    def transaction_finished(self, transaction: Transaction) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.transaction_finished(transaction)

    def connection_changed(self, connection: Connection) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.connection_changed(connection)

    def process_seen(self, process: Process) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.process_seen(process)

    def lost(self, loss: Loss) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.lost(loss)


class LogSink:
    """Keeps `log` and counts losses by place. `clear` may be called from any thread."""

    def __init__(self, log: TransactionLog) -> None:
        self.log = log
        self.losses: dict[str, int] = {}
        self._live: dict[str, int] = {}
        self._lock = threading.Lock()
        self._settled_at = 0.0

    def transaction_opened(self, transaction: Transaction) -> None:
        """Append a live row."""
        with self._lock:
            number = self._live[transaction.id] = self.log.add(transaction)
            if not number % _SETTLE_CHECK:
                self._settle_live()

    def transaction_finished(self, transaction: Transaction) -> None:
        """Charge the row for what it holds at the end."""
        with self._lock:
            number = self._live.pop(transaction.id, None)
            if number is not None:
                self.log.settle(number)

    def _settle_live(self) -> None:
        now = time.monotonic()
        if now - self._settled_at > _SETTLE_EVERY:
            self._settled_at = now
            for number in self._live.values():
                self.log.settle(number)

    def connection_changed(self, connection: Connection) -> None:
        """Nothing: rows refer to their connection."""

    def process_seen(self, process: Process) -> None:
        """Nothing: rows refer to their process."""

    def lost(self, loss: Loss) -> None:
        """Add to the count of its place; what is not reported of other things is no loss to a list of requests."""
        if loss.what in {"connections", "processes"}:
            return
        self.losses[loss.where] = self.losses.get(loss.where, 0) + loss.count

    def clear(self) -> None:
        """Drop every row."""
        with self._lock:
            self.log.clear()

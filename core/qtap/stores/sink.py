"""A Sink behind a bounded queue: the source's thread only puts, the store's thread encodes and writes."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence

from qtap.model import Connection, Loss, Process, Transaction
from qtap.stores.queue import BackgroundWriter

Item = Transaction | Connection | Process | Loss
_SMALL = 500
"""About what a connection, a process or a loss holds, in bytes."""


class QueuedSink:
    """Implements `qtap.model.Sink`; a subclass says in `write` what happens to a batch.

    Transactions are taken when they are finished. What the full queue refuses is counted and handed to `write` as a Loss with
    `where="store"`, in units of `transactions`, or `records` for connections and processes. A Loss that is refused itself is
    merged with its like and handed on later, so no count is ever lost.
    """

    def __init__(
        self,
        name: str,
        *,
        on_closed: Callable[[OSError], None] | None = None,
        interval: float = 0.05,
        max_items: int = 100_000,
        max_bytes: int = 64 << 20,
        wait: bool = False,
    ) -> None:
        self.refused = 0
        """Items that the full queue did not take, in all."""
        self._refused: dict[tuple[str, str], Loss] = {}
        self._refused_lock = threading.Lock()
        self._refused_at = time.time_ns()
        self._queue: BackgroundWriter[Item] = BackgroundWriter(
            name,
            self._write,
            on_closed=on_closed,
            interval=interval,
            max_items=max_items,
            max_bytes=max_bytes,
            wait=wait,
        )

    def write(self, items: Sequence[Item]) -> None:
        """Write `items`, in order; called on the store's thread, may raise OSError to close the store."""
        raise NotImplementedError

    def transaction_opened(self, transaction: Transaction) -> None:
        """Wait for it to be finished."""

    def transaction_finished(self, transaction: Transaction) -> None:
        """Queue it."""
        if not self._queue.put(transaction, transaction.cost):
            self._count("transactions")

    def connection_changed(self, connection: Connection) -> None:
        """Queue the connection as it is now; the live one goes on changing."""
        if not self._queue.put(copy.copy(connection), _SMALL):
            self._count("records")

    def process_seen(self, process: Process) -> None:
        """Queue the process as it is now."""
        if not self._queue.put(copy.copy(process), _SMALL):
            self._count("records")

    def lost(self, loss: Loss) -> None:
        """Queue the loss, or merge it with those that wait."""
        if not self._queue.put(loss, _SMALL):
            self._merge(loss)

    def drain(self) -> None:
        """Wait, however long the reader takes, until everything is written; returns early when the store is stopped."""
        self._queue.drain()

    def stop(self, timeout: float = 1.0) -> int:
        """Write what is queued within `timeout` seconds; give the number of items that were not written."""
        return self._queue.stop(timeout)

    def _count(self, what: str) -> None:
        self.refused += 1
        self._merge(Loss("store", 1, self._refused_at, time.time_ns(), what))

    def _merge(self, loss: Loss) -> None:
        key = loss.where, loss.what
        with self._refused_lock:
            before = self._refused.get(key)
            if before is not None:
                loss = Loss(loss.where, before.count + loss.count, before.since, loss.at, loss.what)
            self._refused[key] = loss
        self._queue.nudge()

    def _write(self, batch: list[Item]) -> None:
        with self._refused_lock:
            refused, self._refused = self._refused, {}
            if refused:
                self._refused_at = max(loss.at for loss in refused.values())
        self.write([*batch, *refused.values()])

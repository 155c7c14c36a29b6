"""A passive observer of a connection that became a WebSocket by HTTP/1's upgrade (RFC 6455 section 4)."""

from __future__ import annotations

from typing import Final

from qtap.model import Connection, Transaction
from qtap.wire.observer import Handover, Listener
from qtap.wire.websocket_messages import Messages, elements

_SWITCHING_PROTOCOLS: Final = 101
_SIDES: Final = 2


def maker(transaction: Transaction | None) -> type[Observer] | None:
    """Give the observer when `transaction` is a WebSocket's upgrade (RFC 6455 section 4.2.2)."""
    if transaction is None or transaction.status != _SWITCHING_PROTOCOLS:
        return None
    return Observer if "websocket" in elements(transaction.response, b"upgrade") else None


class Observer:
    """Implements `qtap.wire.observer.Observer`; `limit` is the most bytes kept of all messages together."""

    __slots__ = ("_closed", "_listener", "_messages", "_transaction", "handover", "opaque")

    def __init__(self, listener: Listener, connection: Connection, limit: int, handover: Handover) -> None:  # noqa: ARG002 - as every maker
        assert handover.transaction is not None
        self.opaque = False
        self.handover: Handover | None = None
        self._listener = listener
        self._transaction = handover.transaction
        self._messages = Messages(self._transaction, limit)
        self._closed: set[bool] = set()

    @property
    def idle(self) -> bool:
        """The connection is over."""
        return self._transaction.finished

    @property
    def held(self) -> int:
        """Bytes kept of messages."""
        return self._messages.held

    def keep_no_more(self) -> None:
        """Keep little from now on, and of what there is only the latest: memory is short."""
        self._messages.keep_no_more()

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Read `data` as one call carried it; `boundary` is False when it continues the data of the same call."""
        if not self.idle:
            self._count(from_client, len(data), at)
            self._messages.feed(from_client, data, at, boundary=boundary)

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Take note that `size` bytes of one direction were lost before its next ones; below 0: nobody knows how many."""
        if size and not self.idle:
            self._count(from_client, max(size, 0), at)
            self._messages.lose(from_client, size, at)

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:  # noqa: ARG002 - HTTP/1's
        """Count `size` bytes that passed but were not copied: below level full no message is known."""
        if not self.idle:
            self._count(from_client, size, at)
            self._messages.skip(from_client, at)

    def close(self, from_client: bool, at: int) -> None:
        """Take note that one side sends no more (FIN); behind both the transaction is over."""
        self._messages.stop(from_client, at)
        self._closed.add(from_client)
        if len(self._closed) == _SIDES:
            self._finish()

    def end(self, at: int, reason: str) -> None:
        """Finish, marked with `reason` unless that is empty or both sides have closed."""
        if not self._transaction.finished:
            for from_client in (False, True):
                self._messages.stop(from_client, at)
            if reason:
                self._transaction.mark(reason)
            self._finish()

    def _count(self, from_client: bool, size: int, at: int) -> None:
        # Only the response lasts on: the time between request and response stays what it was.
        transaction = self._transaction
        (transaction.request if from_client else transaction.response).wire_size += size
        transaction.response.last_at = at

    def _finish(self) -> None:
        if not self._transaction.finished:
            self._transaction.finished = True
            self._listener.finished(self._transaction)

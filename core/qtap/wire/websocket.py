"""A passive observer of a connection that became a WebSocket (RFC 6455): it adds messages to the transaction of the upgrade.

The latest messages are kept, within the body limit: of a connection that lasts for days those are what matters. All count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtap.model import Connection, Message, Transaction, WebSocket, WebSocketMessage
from qtap.model.websocket import OVERHEAD
from qtap.wire.inflate import Inflater
from qtap.wire.observer import Handover, Listener
from qtap.wire.websocket_frames import Side

_SWITCHING_PROTOCOLS: Final = 101
_SMALL: Final = 1 << 16
"""Bytes that one connection may hold when memory is short."""
_AT_ONCE: Final = 8
"""An eighth of what is held is dropped when it is too much, so that dropping stays cheap."""
_FAULTS: Final = {"cut": "messages_cut", "unreadable": "messages_unreadable", "lost": "messages_lost"}
"""Faults of a message, as reasons of its transaction."""


def maker(transaction: Transaction | None) -> type[Observer] | None:
    """Give the observer when `transaction` is a WebSocket's upgrade (RFC 6455 section 4.2.2)."""
    if transaction is None or transaction.status != _SWITCHING_PROTOCOLS:
        return None
    return Observer if "websocket" in _list(transaction.response, b"upgrade") else None


class Observer:
    """Implements `qtap.wire.observer.Observer`; `limit` is the most bytes kept of all messages together."""

    __slots__ = ("_closed", "_held", "_limit", "_listener", "_sides", "_socket", "_transaction", "handover", "opaque")

    def __init__(self, listener: Listener, connection: Connection, limit: int, handover: Handover) -> None:  # noqa: ARG002 - as every maker
        assert handover.transaction is not None
        self.opaque = False
        self.handover: Handover | None = None
        self._listener = listener
        self._limit = limit
        self._transaction = handover.transaction
        self._socket = WebSocket()
        """Becomes the transaction's with the first byte that is read: below level full none is, and no count is known."""
        self._held = 0
        self._closed: set[bool] = set()
        self._sides = sides(self._transaction, self._add, limit)

    @property
    def idle(self) -> bool:
        """The connection is over."""
        return self._transaction.finished

    @property
    def held(self) -> int:
        """Bytes kept of messages."""
        return self._held + sum(side.held for side in self._sides)

    def keep_no_more(self) -> None:
        """Keep little from now on, and of what there is only the latest: memory is short."""
        self._limit = min(self._limit, _SMALL)
        for side in self._sides:
            side.keep(self._limit)
        self._bound()

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Read `data` as one call carried it; `boundary` is False when it continues the data of the same call."""
        if self.idle:
            return
        self._transaction.websocket = self._socket
        self._count(from_client, len(data), at)
        if not self._sides[from_client].feed(data, at, boundary=boundary):
            self._transaction.mark("messages_lost")

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Take note that `size` bytes of one direction were lost before its next ones; below 0: nobody knows how many."""
        if size and not self.idle:
            self._count(from_client, max(size, 0), at)
            self._sides[from_client].lose(size, at)
            self._transaction.mark("messages_lost")

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:  # noqa: ARG002 - HTTP/1's
        """Count `size` bytes that passed but were not copied: below level full no message is known."""
        if not self.idle:
            self._count(from_client, size, at)
            self._sides[from_client].lose(-1, at)

    def close(self, from_client: bool, at: int) -> None:
        """Take note that one side sends no more (FIN); behind both the transaction is over."""
        self._sides[from_client].stop(at, "unfinished")
        self._closed.add(from_client)
        if len(self._closed) == len(self._sides):
            self._finish()

    def end(self, at: int, reason: str) -> None:
        """Finish, marked with `reason` unless that is empty or both sides have closed."""
        if not self._transaction.finished:
            for side in self._sides:
                side.stop(at, "unfinished")
            if reason:
                self._transaction.mark(reason)
            self._finish()

    def _count(self, from_client: bool, size: int, at: int) -> None:
        # Only the response lasts on: the time between request and response stays what it was.
        transaction = self._transaction
        (transaction.request if from_client else transaction.response).wire_size += size
        transaction.response.last_at = at

    def _add(self, message: WebSocketMessage) -> None:
        socket = self._socket
        if message.from_client:
            socket.from_client += 1
        else:
            socket.from_server += 1
        for fault in message.faults:
            if fault in _FAULTS:
                self._transaction.mark(_FAULTS[fault])
        socket.messages.append(message)
        self._held += message.cost
        if self._held > self._limit:
            self._bound()

    def _bound(self) -> None:
        """Drop the oldest messages, but never the latest."""
        messages, count = self._socket.messages, 0
        room = self._limit - self._limit // _AT_ONCE
        while self._held > room and count < len(messages) - 1:
            self._held -= messages[count].cost
            count += 1
        if count:
            del messages[:count]
            self._socket.dropped += count
            self._transaction.mark("messages_dropped")

    def _finish(self) -> None:
        if not self._transaction.finished:
            self._transaction.finished = True
            self._listener.finished(self._transaction)


def sides(transaction: Transaction, tell: Callable[[WebSocketMessage], None], limit: int) -> tuple[Side, Side]:
    """Make the readers of what the server and of what the client sends, as the response agreed (RFC 7692 section 7.1)."""
    agreed = _list(transaction.response, b"sec-websocket-extensions")
    deflate = next((each for each in agreed if each.partition(";")[0].strip() == "permessage-deflate"), "")
    parameters = {each.strip().partition("=")[0].strip() for each in deflate.split(";")[1:]}

    def side(who: str) -> Side:
        inflater = Inflater(takeover=f"{who}_no_context_takeover" not in parameters) if deflate else None
        return Side(
            tell, max(limit - OVERHEAD, 0), from_client=who == "client", inflater=inflater, opaque=bool(agreed) and not deflate
        )

    return side("server"), side("client")


def _list(message: Message, name: bytes) -> list[str]:
    """Give the elements of a header that is a list (RFC 9110 section 5.6.1), in lower case."""
    values = [value for key, value in message.fields if key.lower() == name]
    return [each.strip().lower() for each in b",".join(values).decode("latin-1").split(",") if each.strip()]

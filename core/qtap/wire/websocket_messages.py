"""The messages of one WebSocket (RFC 6455), whatever carries it: they are added to the transaction that opened it.

The latest messages are kept, within the limit: of a connection that lasts for days those are what matters. All count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtap.model import Message, Transaction, WebSocket, WebSocketMessage
from qtap.model.websocket import OVERHEAD
from qtap.wire.inflate import Inflater
from qtap.wire.websocket_frames import Side

_SMALL: Final = 1 << 16
"""Bytes that one connection may hold when memory is short."""
_AT_ONCE: Final = 8
"""An eighth of what is held is dropped when it is too much, so that dropping stays cheap."""
_FAULTS: Final = {"cut": "messages_cut", "unreadable": "messages_unreadable", "lost": "messages_lost"}
"""Faults of a message, as reasons of its transaction."""


class Messages:
    """Reads both sides; `limit` is the most bytes kept of all messages together."""

    __slots__ = ("_closing", "_held", "_limit", "_sides", "_socket", "_transaction")

    def __init__(self, transaction: Transaction, limit: int) -> None:
        self._limit = limit
        self._transaction = transaction
        self._socket = WebSocket()
        """Becomes the transaction's with the first byte that is read: below level full none is, and no count is known."""
        self._held = 0
        self._closing: set[bool] = set()
        self._sides = sides(transaction, self._add, limit)

    @property
    def held(self) -> int:
        """Bytes kept of messages."""
        return self._held + sum(side.held for side in self._sides)

    @property
    def closed(self) -> bool:
        """Both sides have said that they close (RFC 6455 section 7.1.4)."""
        return len(self._closing) == len(self._sides)

    def keep_no_more(self) -> None:
        """Keep little from now on, and of what there is only the latest: memory is short."""
        self._limit = min(self._limit, _SMALL)
        for side in self._sides:
            side.keep(self._limit)
        self._bound()

    def feed(self, from_client: bool, data: bytes, at: int, *, boundary: bool) -> None:
        """Read `data`; `boundary`: a call, or a frame of what carries it, begins with it."""
        self._transaction.websocket = self._socket
        if not self._sides[from_client].feed(data, at, boundary=boundary):
            self._transaction.mark("messages_lost")

    def lose(self, from_client: bool, size: int, at: int) -> None:
        """Go on after `size` lost bytes (below 0: unknown how many)."""
        self._sides[from_client].lose(size, at)
        self._transaction.mark("messages_lost")

    def skip(self, from_client: bool, at: int) -> None:
        """Go on after bytes that were left out by choice, so that no message is known."""
        self._sides[from_client].lose(-1, at)

    def stop(self, from_client: bool, at: int) -> None:
        """End what one side is sending: it sends no more."""
        self._sides[from_client].stop(at, "unfinished")

    def _add(self, message: WebSocketMessage) -> None:
        socket = self._socket
        if message.from_client:
            socket.from_client += 1
        else:
            socket.from_server += 1
        if message.kind == "close":
            self._closing.add(message.from_client)
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


def sides(transaction: Transaction, tell: Callable[[WebSocketMessage], None], limit: int) -> tuple[Side, Side]:
    """Make the readers of what the server and of what the client sends, as the response agreed (RFC 7692 section 7.1)."""
    agreed = elements(transaction.response, b"sec-websocket-extensions")
    deflate = next((each for each in agreed if each.partition(";")[0].strip() == "permessage-deflate"), "")
    parameters = {each.strip().partition("=")[0].strip() for each in deflate.split(";")[1:]}

    def side(who: str) -> Side:
        inflater = Inflater(takeover=f"{who}_no_context_takeover" not in parameters) if deflate else None
        return Side(
            tell, max(limit - OVERHEAD, 0), from_client=who == "client", inflater=inflater, opaque=bool(agreed) and not deflate
        )

    return side("server"), side("client")


def elements(message: Message, name: bytes) -> list[str]:
    """Give the elements of a header that is a list (RFC 9110 section 5.6.1), in lower case."""
    values = [value for key, value in message.fields if key.lower() == name]
    return [each.strip().lower() for each in b",".join(values).decode("latin-1").split(",") if each.strip()]

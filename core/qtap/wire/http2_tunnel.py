"""What a stream carries once its CONNECT was accepted (RFC 9113 section 8.5): a WebSocket (RFC 8441), or nobody knows what."""

from __future__ import annotations

from typing import Final

from qtap.model import Transaction
from qtap.wire.websocket_messages import Messages

_WEBSOCKET: Final = b"websocket"


class Tunnel:
    """Reads the DATA of both sides of one stream; `protocol` is the request's `:protocol`.

    `limit` is the most bytes kept; 0 leaves messages unread. Whatever is in it, it is no body, and lasts as the response does:
    the time between request and response stays what it was.
    """

    __slots__ = ("_begins", "_messages", "_transaction")

    def __init__(self, transaction: Transaction, protocol: bytes, limit: int) -> None:
        self._transaction = transaction
        is_websocket = protocol.lower() == _WEBSOCKET
        self._messages = Messages(transaction, limit) if is_websocket and limit else None
        self._begins = [True, True]
        """What comes next of either side begins a DATA frame."""
        transaction.opaque = not is_websocket

    @property
    def held(self) -> int:
        """Bytes kept of messages."""
        return self._messages.held if self._messages else 0

    @property
    def closed(self) -> bool:
        """Both sides have said that they end it; how the stream ends is no fault then."""
        return self._messages is not None and self._messages.closed

    def keep_no_more(self) -> None:
        """Keep little from now on: memory is short."""
        if self._messages:
            self._messages.keep_no_more()

    def data(self, from_client: bool, piece: bytes, wire: int, at: int) -> None:
        """Read bytes of a DATA frame; `wire` counts them with what else of the frame came."""
        self._transaction.response.last_at = at
        if self._messages is None:
            return
        if wire > len(piece):
            self._begins[from_client] = True
        if piece:
            self._messages.feed(from_client, piece, at, boundary=self._begins[from_client])
            self._begins[from_client] = False

    def lost(self, from_client: bool, size: int, at: int) -> None:
        """Go on after `size` lost bytes of it (below 0: unknown how many)."""
        self._transaction.response.last_at = at
        if self._messages is not None:
            self._messages.lose(from_client, size, at)
        elif size < 0:
            self._transaction.mark(f"{'request' if from_client else 'response'}_body_size_unknown")

    def stop(self, from_client: bool) -> None:
        """End what one side is sending."""
        if self._messages is not None:
            self._messages.stop(from_client, self._transaction.response.last_at)

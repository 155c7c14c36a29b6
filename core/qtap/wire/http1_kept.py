"""What is kept of the message that one direction of HTTP/1 is sending, and what is known to be missing of it."""

from __future__ import annotations

from typing import Final

from qtap.model import Message, Transaction

OVER: Final = 0
"""No message is open."""
_NO_MESSAGE = Message()


class Kept:
    """The open message; `state` is 0 when there is none, else the subclass's."""

    __slots__ = ("_frozen", "_limit", "_side", "lossy", "message", "state", "transaction")

    def __init__(self, side: str, limit: int) -> None:
        self._side = side
        self._limit = limit
        self.state = OVER
        self.message = _NO_MESSAGE
        self.transaction: Transaction | None = None
        """The one `message` belongs to."""
        self.lossy = False
        """Part of this body is known to be lost."""
        self._frozen = False
        """No further byte is kept: it would stand behind a hole."""

    def mark(self, what: str) -> None:
        """Add the reason `<side>_body_<what>` to the transaction."""
        assert self.transaction is not None
        self.transaction.mark(f"{self._side}_body_{what}")

    @property
    def held(self) -> int:
        """Bytes kept of the open message's body."""
        return len(self.message.body) if self.state else 0

    def keep_no_more(self) -> None:
        """Count what follows of the open message's body without keeping it."""
        if self.state and not self._frozen:
            self._frozen = True
            self.mark("cut")

    def release(self) -> Transaction:
        """Give the transaction whose message has ended, and hold it no longer: a connection may idle for hours."""
        transaction = self.transaction
        assert transaction is not None
        self.transaction = None
        self.message = _NO_MESSAGE
        return transaction

    def end(self, *, complete: bool) -> None:
        """Close the message."""
        message = self.message
        if message.body.__class__ is bytearray:
            message.body = bytes(message.body)
        message.complete = complete
        self.state = OVER

    def _keep(self, data: bytes, pos: int, end: int) -> None:
        """Add data[pos:end] to the body, up to the limit."""
        message = self.message
        message.body_size += end - pos
        if self._frozen:
            return
        body = message.body
        room = self._limit - len(body)
        if end - pos > room:
            end = pos + room
            self.mark("cut")
            self._frozen = True
        piece = data[pos:end]
        if isinstance(body, bytearray):
            try:
                body += piece
            except BufferError:  # a reader on another thread holds a view of it
                message.body = body + piece
        else:
            message.body = bytearray(piece)

    def _mark_lost(self) -> None:
        self.lossy = self._frozen = True
        self.mark("lost")

    def _count(self, size: int, at: int) -> None:
        message = self.message
        message.body_size += size
        message.wire_size += size
        message.last_at = at

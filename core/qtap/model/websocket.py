"""What passed on a WebSocket connection (RFC 6455), with the transaction that opened it."""

from __future__ import annotations

import msgspec

OVERHEAD = 250
"""Bytes of memory of one message without its payload."""


class WebSocketMessage(msgspec.Struct, gc=False, omit_defaults=True):
    """One message or control frame; never changed once it is in the list."""

    at: int
    """When its last byte passed."""
    kind: str
    """`text`, `binary`, `close`, `ping`, `pong`; `unknown` when its beginning was lost."""
    from_client: bool = False
    payload: bytes = b""
    """After unmasking and inflating; ends where the first byte is missing."""
    size: int = 0
    """Bytes of the whole payload: after inflating when that succeeded, else as on the wire."""
    wire_size: int = 0
    """Bytes on the wire of all its frames."""
    compressed: bool = False
    """It was deflated on the wire (RFC 7692)."""
    faults: tuple[str, ...] = ()
    """Why `payload` is not the whole: `cut`, `lost`, `unfinished`, `unreadable`."""

    @property
    def cost(self) -> int:
        """Bytes of memory."""
        return OVERHEAD + len(self.payload)


class WebSocket(msgspec.Struct, gc=False):
    """The messages of one connection: the latest ones, and how many there were.

    One thread appends to `messages` and takes from its beginning; another copies it (`list(messages)`) to read it.
    """

    messages: list[WebSocketMessage] = msgspec.field(default_factory=list)
    dropped: int = 0
    """Older messages, which `messages` no longer holds."""
    from_client: int = 0
    """Messages that the client sent, those dropped included."""
    from_server: int = 0

    @property
    def cost(self) -> int:
        """Bytes of memory."""
        return sum([message.cost for message in list(self.messages)])

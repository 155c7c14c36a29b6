"""A passive, lenient observer of one HTTP/2 connection (RFC 9113).

It is shown what both sides sent, in the order of capture, and makes a transaction of each stream. `http2_frames` finds the
frames of one direction, `hpack` decodes header blocks and never guesses, `http2_heads` says what a block means, `http2_streams`
which stream is where, `http2_sides` what a frame does to it, `http2_tunnel` what a stream carries that is no longer HTTP.

After a loss within a DATA frame everything goes on exactly. After any other, the direction's next frame is looked for at the
beginning of a captured call, its dynamic table counts as unknown, and every message that it had begun is marked.
"""

from __future__ import annotations

from qtap.model import Connection, Message
from qtap.wire.http2_frames import FrameStream
from qtap.wire.http2_sides import Client, Server
from qtap.wire.http2_streams import Streams
from qtap.wire.observer import Handover, Listener

_UPGRADED = 1
"""The stream that answers the request of an upgrade (RFC 7540 section 3.2)."""


class Observer:
    """Makes transactions of one connection's bytes; never raises on any input.

    `body_limit` is the most bytes kept of one body; 0 keeps none, and marks none as cut. `from_start`: the client's preface
    comes first, and no header block was missed. `at` is always the time of capture in nanoseconds.
    """

    __slots__ = ("_client", "_requests", "_responses", "_server", "_streams", "handover", "opaque")

    def __init__(self, listener: Listener, connection: Connection, body_limit: int, *, from_start: bool) -> None:
        self.opaque = False
        """Never: what is not understood of HTTP/2 does not end it."""
        self.handover: Handover | None = None
        self._streams = Streams(listener, connection, body_limit, lossy=not from_start)
        self._client, self._server = Client(self._streams), Server(self._streams)
        self._requests = FrameStream(self._client, in_step=from_start, fresh=from_start, preface=from_start)
        self._responses = FrameStream(self._server, in_step=from_start, fresh=from_start, preface=False)

    @classmethod
    def upgraded(cls, listener: Listener, connection: Connection, body_limit: int, handover: Handover) -> Observer:
        """Go on where HTTP/1 answered 101: the request of the upgrade is that of stream 1."""
        observer = cls(listener, connection, body_limit, from_start=True)
        transaction = handover.transaction
        if transaction is not None:
            transaction.informational = (*transaction.informational, transaction.response.head)
            transaction.status, transaction.response = 0, Message()
            transaction.protocol, transaction.stream = "http2", _UPGRADED
            observer._streams.adopt(_UPGRADED, transaction)
        return observer

    @property
    def idle(self) -> bool:
        """No transaction is in flight and nothing is half read."""
        return not self._streams.live and self._requests.idle and self._responses.idle

    @property
    def held(self) -> int:
        """Bytes kept of bodies and frames that are still arriving."""
        bodies = sum([exchange.held for exchange in self._streams.live.values()])
        return bodies + self._requests.held + self._responses.held

    def keep_no_more(self) -> None:
        """Cut the bodies that are arriving where they are: memory is short."""
        for exchange in self._streams.live.values():
            exchange.keep_no_more()
        self._requests.keep_no_more()
        self._responses.keep_no_more()

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Read `data` as one call carried it; `boundary` is False when it continues the data of the same call."""
        stream = self._requests if from_client else self._responses
        if not stream.done:
            stream.feed(data, at, boundary)

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Take note that `size` bytes of one direction were lost before its next ones; below 0: nobody knows how many."""
        stream = self._requests if from_client else self._responses
        if size and not stream.done:
            stream.gap(size, at)
            if from_client:
                self._streams.lossy |= not stream.in_step

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:  # noqa: ARG002 - HTTP/1's
        """Take bytes that passed but were not copied for lost ones: they may hold the headers of any stream."""
        self.gap(from_client, size, at)

    def close(self, from_client: bool, at: int) -> None:  # noqa: ARG002 - the end of a side is no byte of a message
        """Take note that one side sends no more (FIN)."""
        stream, side = (self._requests, self._client) if from_client else (self._responses, self._server)
        if not stream.done:
            stream.done = True
            side.closed()

    def end(self, at: int, reason: str) -> None:  # noqa: ARG002 - likewise
        """Finish everything live, marked with `reason` unless that is empty: the connection is gone or capture stops."""
        self._requests.done = self._responses.done = True
        for number in list(self._streams.live):
            self._streams.give_up(number, reason)

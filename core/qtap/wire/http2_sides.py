"""The two directions of an HTTP/2 connection: what frames of the client and of the server mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from qtap.model import Message, Transaction
from qtap.model.xid import new_xid
from qtap.wire.hpack import Entry
from qtap.wire.http2_blocks import Block
from qtap.wire.http2_heads import MAX_HEAD, are_trailers, is_grpc, request_head, response_head, trailer_lines
from qtap.wire.http2_streams import Exchange, Part, Streams

_MOST_INFORMATIONAL: Final = 64
"""1xx heads kept of one transaction."""
_ERRORS: Final = (
    *("no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed"),
    *("frame_size_error", "refused_stream", "cancel", "compression_error", "connect_error", "enhance_your_calm"),
    *("inadequate_security", "http_1_1_required"),
)
"""RFC 9113 section 7."""


class Side(ABC):
    """What both directions have in common."""

    what: str
    from_client: bool

    __slots__ = ("_streams",)

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    @abstractmethod
    def part(self, exchange: Exchange) -> Part:
        """Give the message that this side sends."""

    @abstractmethod
    def headers(self, stream: int, block: Block, at: int, *, ends: bool) -> None:
        """Take a header block."""

    def data(self, stream: int, piece: bytes, wire: int, at: int) -> None:
        """Add to a body, or to what a tunnel carries, unless the stream is not known."""
        exchange = self._streams.live.get(stream)
        if exchange is None:
            return
        part = self.part(exchange)
        message = part.message
        part.doubtful = False
        if not message.head:
            part.lose_head()
        message.first_at = message.first_at or at
        message.wire_size += wire
        if exchange.tunnel is not None:
            exchange.tunnel.data(self.from_client, piece, wire, at)
            return
        message.last_at = at
        if piece and part.open:
            part.keep(piece)

    def data_ended(self, stream: int, at: int) -> None:  # noqa: ARG002 - `data` was told already
        """End a message."""
        exchange = self._streams.live.get(stream)
        if exchange is not None:
            self.part(exchange).end(complete=True)
            if exchange.tunnel is not None:
                exchange.tunnel.stop(self.from_client)
            self._streams.settle(stream, exchange)

    def data_lost(self, stream: int, size: int, at: int) -> None:
        """Count bytes of a body that were lost."""
        exchange = self._streams.live.get(stream)
        if exchange is not None:
            part = self.part(exchange)
            part.message.wire_size += size
            if exchange.tunnel is not None:
                exchange.tunnel.lost(self.from_client, size, at)
                return
            part.message.last_at = at
            part.message.body_size += size
            part.lose(exact=True)

    def frames_lost(self) -> None:
        """Doubt every message that has not ended."""
        self._streams.doubt(self.what)

    def reset(self, stream: int, code: int, at: int) -> None:
        """Finish the stream."""
        exchange = self._streams.live.get(stream)
        if exchange is None:
            return
        last = exchange.response if exchange.tunnel else self.part(exchange)
        last.message.last_at = at
        name = _ERRORS[code] if code < len(_ERRORS) else str(code)
        # RFC 9113 section 8.1: a server that needs no more of the request says so, and that is no fault.
        whole = exchange.tunnel.closed if exchange.tunnel else not code and not exchange.response.open
        self._streams.give_up(stream, "" if whole else f"stream_reset_{name}")

    def closed(self) -> None:
        """End what this side sends no more of."""
        for stream, exchange in list(self._streams.live.items()):
            part = self.part(exchange)
            if part.open:
                self._cut(stream, exchange, part)

    def _cut(self, stream: int, exchange: Exchange, part: Part) -> None:
        exchange.cut(part)
        self._streams.settle(stream, exchange)

    def _trailers(self, stream: int, exchange: Exchange, block: Block, at: int, *, ends: bool) -> None:
        part = self.part(exchange)
        if not part.open:
            return
        message = part.message
        part.doubtful = False
        message.last_at = at
        message.wire_size += block.wire
        if len(message.trailers) < MAX_HEAD:
            message.trailers += trailer_lines(block.entries or [])
        else:
            part.mark("headers_unknown")
        self._check(part, block)
        if ends:
            self.data_ended(stream, at)

    @staticmethod
    def _check(part: Part, block: Block) -> None:
        if block.unknown or block.entries is None:
            part.mark("headers_unknown")


class Client(Side):
    """What the client sends."""

    what = "request"
    from_client = True

    __slots__ = ()

    def part(self, exchange: Exchange) -> Part:
        """Give the request."""
        return exchange.request

    def headers(self, stream: int, block: Block, at: int, *, ends: bool) -> None:
        """Begin a stream, or end its request."""
        streams = self._streams
        exchange = streams.live.get(stream)
        if exchange is not None and exchange.request.message.head:
            self._trailers(stream, exchange, block, at, ends=ends)
            return
        if exchange is None and (not stream & 1 or stream <= streams.highest or are_trailers(block.entries)):
            return
        transaction = exchange.transaction if exchange is not None else self._transaction(stream, at)
        connect = _describe(transaction, block.entries or [], block.wire, at)
        if exchange is None:
            exchange = streams.open(stream, transaction)
        else:
            streams.heads += len(transaction.request.head)
        if stream > streams.highest:
            streams.client_began(stream)
        exchange.connect = connect
        exchange.accept(streams.limit)
        self._check(exchange.request, block)
        if ends:
            self.data_ended(stream, at)

    def promise(self, promised: int, block: Block, at: int) -> None:
        """Only a server promises."""

    def goaway(self, last: int, at: int) -> None:
        """It speaks of streams that the server began: none is waited for."""

    def _cut(self, stream: int, exchange: Exchange, part: Part) -> None:
        if not part.message.head:
            exchange.transaction.mark("request_lost")
        super()._cut(stream, exchange, part)

    def _transaction(self, stream: int, at: int) -> Transaction:
        return Transaction(id=new_xid(at), connection=self._streams.connection, protocol="http2", stream=stream)


class Server(Side):
    """What the server sends."""

    what = "response"
    from_client = False

    __slots__ = ()

    def part(self, exchange: Exchange) -> Part:
        """Give the response."""
        return exchange.response

    def headers(self, stream: int, block: Block, at: int, *, ends: bool) -> None:
        """Begin or end a response, or take an interim one."""
        exchange = self._streams.live.get(stream)
        if exchange is None and (self._streams.was_reset(stream) or are_trailers(block.entries)):
            return
        entries = block.entries or []
        if exchange is not None and (exchange.response.message.head or are_trailers(entries)):
            if not exchange.response.message.head:
                exchange.response.lose_head()
            self._trailers(stream, exchange, block, at, ends=ends)
            return
        status, head = response_head(entries)
        if exchange is not None and 100 <= status < 200 and not ends:  # noqa: PLR2004 - RFC 9110 section 15.2
            transaction = exchange.transaction
            kept = transaction.informational
            if len(kept) < _MOST_INFORMATIONAL and sum(map(len, kept)) < MAX_HEAD:
                transaction.informational = (*transaction.informational, head)
            return
        self._begin(stream, exchange, block, at, status=status, head=head)
        if ends:
            self.data_ended(stream, at)

    def promise(self, promised: int, block: Block, at: int) -> None:
        """Begin a stream with the request that the server promises to answer (RFC 9113 section 8.4)."""
        if promised & 1 or promised in self._streams.live:
            return
        transaction = Transaction(id=new_xid(at), connection=self._streams.connection, protocol="http2", stream=promised)
        _describe(transaction, block.entries or [], block.wire, at)
        exchange = self._streams.open(promised, transaction)
        self._check(exchange.request, block)
        exchange.request.end(complete=True)

    def goaway(self, last: int, at: int) -> None:  # noqa: ARG002 - no message ends with it
        """Finish the streams that will not be answered (RFC 9113 section 6.8)."""
        for stream in [stream for stream in self._streams.live if stream > last and stream & 1]:
            self._streams.give_up(stream, "refused_by_goaway")

    def _cut(self, stream: int, exchange: Exchange, part: Part) -> None:
        if not part.message.head:
            exchange.transaction.mark("closed_without_response")
        super()._cut(stream, exchange, part)

    def _begin(self, stream: int, exchange: Exchange | None, block: Block, at: int, *, status: int, head: bytes) -> None:
        orphan = exchange is None
        if exchange is None:
            transaction = Transaction(id=new_xid(at), connection=self._streams.connection, protocol="http2", stream=stream)
        else:
            transaction = exchange.transaction
        response = transaction.response
        response.first_at = response.first_at or at
        response.last_at = at
        response.wire_size += block.wire
        response.head = head
        transaction.status = status
        if is_grpc(head):
            transaction.protocol = "grpc"
        if exchange is None:
            exchange = self._streams.open(stream, transaction)
        else:
            self._streams.heads += len(head)
        exchange.response.doubtful = False
        self._check(exchange.response, block)
        if orphan:
            self._streams.answered_early(stream)
        exchange.accept(self._streams.limit)


def _describe(transaction: Transaction, entries: list[Entry], wire: int, at: int) -> bytes | None:
    """Fill in the request; give the protocol that a CONNECT asks for."""
    head = request_head(entries)
    # In place: the stream's Part refers to this message.
    request: Message = transaction.request
    request.head = head.head
    request.wire_size += wire
    request.first_at = request.first_at or at
    request.last_at = at
    transaction.method, transaction.target = head.method, head.target
    transaction.host = head.host or transaction.host
    if is_grpc(head.head):
        transaction.protocol = "grpc"
    return head.connect

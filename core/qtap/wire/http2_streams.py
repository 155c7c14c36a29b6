"""The streams of one HTTP/2 connection: each is one request with its response (RFC 9113 sections 5.1, 8.1)."""

from __future__ import annotations

from collections import deque
from typing import Final

from qtap.model import Connection, Message, Transaction
from qtap.wire.http2_tunnel import Tunnel
from qtap.wire.observer import Listener

_MOST_LIVE: Final = 4096
"""Streams of a connection; with more, the ends of the oldest are evidently not seen."""
_MOST_HEADS: Final = 32 << 20
"""Bytes of heads of these streams; a few bytes of a header block can refer to kilobytes of the dynamic table."""
_MOST_RESET: Final = 512
"""Streams that ended before their time, and whose last frames may still be on the way."""
_PATIENCE: Final = 64
"""Streams that begin after a loss before one that showed no frame since is given up: its end was lost."""


class Part:
    """One message of a stream, as it arrives."""

    __slots__ = ("_frozen", "_limit", "doubtful", "lossy", "message", "open", "transaction", "what")

    def __init__(self, what: str, transaction: Transaction, message: Message, limit: int) -> None:
        self.what = what
        self.transaction = transaction
        self.message = message
        self.open = True
        """More may come."""
        self.lossy = False
        """Some of it is known to be lost."""
        self.doubtful = False
        """Its end may have been lost: no frame was seen since a loss."""
        self._limit = limit
        self._frozen = not limit
        """No further byte of the body is kept: it would stand behind a hole, or the limit is reached."""

    def keep(self, piece: bytes) -> None:
        """Add to the body, up to the limit."""
        message = self.message
        message.body_size += len(piece)
        if self._frozen:
            return
        body = message.body
        room = self._limit - len(body)
        if len(piece) > room:
            piece = piece[:room]
            self.keep_no_more()
        if not body:
            message.body = piece
            return
        if body.__class__ is bytes:
            body = message.body = bytearray(body)
        body += piece

    def keep_no_more(self) -> None:
        """Count what follows of the body without keeping it."""
        if not self._frozen:
            self._frozen = True
            self.mark("body_cut")

    def give_back(self) -> tuple[bytes, int]:
        """Give what was taken for a body and is none, and how many bytes of it were not kept."""
        message = self.message
        early, missing = bytes(message.body), message.body_missing
        message.body, message.body_size = b"", 0
        return early, missing

    def lose(self, *, exact: bool) -> None:
        """Take note that some of the body is lost, `exact`ly as much as was counted; what follows stands behind a hole."""
        self.lossy = self._frozen = True
        self.mark("body_lost")
        if not exact:
            self.mark("body_size_unknown")

    def lose_head(self) -> None:
        """Take note that the message goes on without its head having been seen, so that nobody knows where its body began."""
        self.lossy = self._frozen = True
        self.mark("head_lost")
        self.mark("body_size_unknown")

    def mark(self, what: str) -> None:
        """Add the reason `<side>_<what>` to the transaction."""
        self.transaction.mark(f"{self.what}_{what}")

    def end(self, *, complete: bool) -> None:
        """Close the message."""
        message = self.message
        if message.body.__class__ is bytearray:
            message.body = bytes(message.body)
        message.complete = complete and not self.lossy
        self.open = False


class Exchange:
    """A stream."""

    __slots__ = ("connect", "request", "response", "transaction", "tunnel")

    def __init__(self, transaction: Transaction, limit: int) -> None:
        self.transaction = transaction
        self.request = Part("request", transaction, transaction.request, limit)
        self.response = Part("response", transaction, transaction.response, limit)
        self.connect: bytes | None = None
        """The protocol that its CONNECT asks for, empty when it names none; None when it is no CONNECT."""
        self.tunnel: Tunnel | None = None
        """Has what both sides send, once the CONNECT was accepted."""

    @property
    def held(self) -> int:
        """Bytes kept of what is arriving."""
        bodies = sum([len(part.message.body) for part in (self.request, self.response) if part.open])
        return bodies + self.tunnel.held if self.tunnel else bodies

    def keep_no_more(self) -> None:
        """Cut what is arriving where it is: memory is short."""
        for part in (self.request, self.response):
            if part.open and part.message.body:
                part.keep_no_more()
        if self.tunnel is not None:
            self.tunnel.keep_no_more()

    def accept(self, limit: int) -> None:
        """Leave the stream to another protocol, if it is a CONNECT that was answered by 2xx (RFC 9110 section 9.3.6)."""
        if self.connect is None or not 200 <= self.transaction.status < 300:  # noqa: PLR2004 - that section
            return
        self.tunnel = Tunnel(self.transaction, self.connect, limit)
        at = self.transaction.response.last_at
        for part, from_client in ((self.request, True), (self.response, False)):
            early, missing = part.give_back()  # one side was captured before the other
            if early:
                self.tunnel.data(from_client, early, len(early), at)
            if missing:
                self.tunnel.lost(from_client, missing, at)

    def cut(self, part: Part) -> None:
        """Close one of the messages before its end; a tunnel has no other."""
        if self.tunnel is not None:
            self.tunnel.stop(part is self.request)
        elif part.message.head and not part.lossy:
            part.mark("body_unfinished")
        part.end(complete=self.tunnel is not None)


class Streams:
    """The streams that are not finished."""

    __slots__ = (
        "_doubtful",
        "_early",
        "_listener",
        "_opened",
        "_reset",
        "connection",
        "heads",
        "highest",
        "limit",
        "live",
        "lossy",
    )

    def __init__(self, listener: Listener, connection: Connection, limit: int, *, lossy: bool) -> None:
        self.connection = connection
        self.limit = limit
        self.live: dict[int, Exchange] = {}
        self.highest = 0
        """The number of the last stream that the client began."""
        self.lossy = lossy
        """Requests may have passed unseen."""
        self.heads = 0
        """Bytes of the heads of all live streams."""
        self._listener = listener
        self._opened = 0
        self._early: list[int] = []
        """Streams of which only the response was seen, and whose request may be captured behind it."""
        self._doubtful: dict[tuple[int, str], int] = {}
        """How many streams must have been opened before this one is given up for its request or response; in that order."""
        self._reset: deque[int] = deque(maxlen=_MOST_RESET)

    def open(self, stream: int, transaction: Transaction) -> Exchange:
        """Add a stream by its transaction."""
        self.heads += len(transaction.request.head) + len(transaction.response.head)
        while self.live and (len(self.live) >= _MOST_LIVE or self.heads > _MOST_HEADS):
            self.give_up(next(iter(self.live)), "response_lost")
        exchange = self.live[stream] = Exchange(transaction, self.limit)
        self._opened += 1
        self._listener.opened(transaction)
        while self._doubtful and next(iter(self._doubtful.values())) <= self._opened:
            doubted, what = next(iter(self._doubtful))
            del self._doubtful[doubted, what]
            self._doubt(doubted, what)
        return exchange

    def adopt(self, stream: int, transaction: Transaction) -> None:
        """Go on with a transaction that was opened before, and whose request has ended."""
        self.live[stream] = exchange = Exchange(transaction, self.limit)
        exchange.request.open = False
        self.heads += len(transaction.request.head)
        self.highest = stream

    def client_began(self, stream: int) -> None:
        """Streams begin in order of their numbers: what the client has not begun until now, it began unseen."""
        self.highest = stream
        early, self._early = self._early, []
        for number in early:
            if number < stream:
                self._request_missing(number)
            elif number > stream:
                self._early.append(number)

    def answered_early(self, stream: int) -> None:
        """Wait for the request of a response that was captured before it, where that can be."""
        exchange = self.live[stream]
        if stream > self.highest and (self.highest or not self.lossy):
            self._early.append(stream)
            del self._early[:-_MOST_LIVE]
        else:
            exchange.transaction.mark("request_lost" if self.highest else "attached_mid_connection")
            exchange.request.end(complete=False)

    def was_reset(self, stream: int) -> bool:
        """Tell whether frames of `stream`, which is not live, are late ones of a stream that was."""
        return stream in self._reset or not (self.lossy or stream > self.highest)

    def settle(self, stream: int, exchange: Exchange) -> None:
        """Finish the stream if both its messages have ended."""
        if not (exchange.request.open or exchange.response.open):
            del self.live[stream]
            self.heads -= len(exchange.transaction.request.head) + len(exchange.transaction.response.head)
            if self._doubtful:
                self._doubtful.pop((stream, "request"), None)
                self._doubtful.pop((stream, "response"), None)
            exchange.transaction.finished = True
            self._listener.finished(exchange.transaction)

    def give_up(self, stream: int, *reasons: str) -> None:
        """Finish the stream before its end; its unfinished messages are marked, and it with the reasons that are not empty."""
        exchange = self.live[stream]
        self._reset.append(stream)
        transaction = exchange.transaction
        for part in (exchange.request, exchange.response):
            if part.open:
                exchange.cut(part)
        if not transaction.request.head and transaction.response.head:
            transaction.mark("request_lost")
        for reason in reasons:
            if reason:
                transaction.mark(reason)
        self.settle(stream, exchange)

    def doubt(self, what: str) -> None:
        """Frames of one side may have been lost: so may be the end of every message that it has begun and not ended."""
        due = self._opened + _PATIENCE
        for stream, exchange in self.live.items():
            part: Part = getattr(exchange, what)
            if part.open and exchange.tunnel is not None:
                exchange.tunnel.lost(what == "request", -1, part.transaction.response.last_at)
            elif part.open:
                if not part.doubtful:  # else it has shown nothing since an earlier loss
                    self._doubtful.pop((stream, what), None)
                    self._doubtful[stream, what] = due
                part.doubtful = True
                if part.message.head:
                    part.lose(exact=False)

    def _doubt(self, stream: int, what: str) -> None:
        exchange = self.live.get(stream)
        if exchange is not None and exchange.tunnel is None and getattr(exchange, what).doubtful:
            self.give_up(stream, "" if exchange.transaction.response.head else "response_lost")

    def _request_missing(self, stream: int) -> None:
        exchange = self.live.get(stream)
        if exchange is not None:
            exchange.transaction.mark("request_lost")
            exchange.request.end(complete=False)
            self.settle(stream, exchange)

"""A passive, lenient observer of one HTTP/1 connection (RFC 9112).

It is shown what both sides sent, in the order of capture, and makes transactions of it. Unlike a client or a server it cannot
refuse a message, ask again, or know that it has seen everything: so it reads as the laxest peers do, finds its way back after a
loss, and marks a transaction whenever it is not sure.

`http1_syntax` reads heads, `http1_body` bodies, `http1_stream` finds where messages start, `http1_sides` says what a request or
a response does, `http1_pairing` which belong together.
"""

from __future__ import annotations

from collections.abc import Callable

from qtap.model import Connection, Transaction
from qtap.wire.http1_pairing import Pairing
from qtap.wire.http1_sides import Requests, Responses
from qtap.wire.observer import Handover, Listener

__all__ = ["Listener", "Observer"]


class Observer:
    """Makes transactions of one connection's bytes; never raises on any input.

    `body_limit` is the most bytes kept of one body. `from_start` says that the connection was captured from its first byte, so
    that the first bytes must be a request; otherwise whatever comes before the first head is passed over. `takes_over` is asked
    whether a successor goes on with a transaction whose response is 101, or 2xx to CONNECT. `at` is always the time of capture
    in nanoseconds.
    """

    __slots__ = ("_pairing", "_requests", "_responses", "_switched", "_takes_over", "handover", "opaque")

    def __init__(
        self,
        listener: Listener,
        connection: Connection,
        body_limit: int,
        *,
        from_start: bool = False,
        takes_over: Callable[[Transaction], bool] = lambda _: False,
    ) -> None:
        self.opaque = False
        """The connection is a tunnel or speaks another protocol; nothing more is read."""
        self.handover: Handover | None = None
        """What a successor begins with."""
        self._takes_over = takes_over
        self._switched: Transaction | None = None
        self._pairing = Pairing(listener, from_start=from_start)
        self._responses = Responses(
            connection,
            self._pairing,
            body_limit,
            self._turn_opaque,
            hand_over=self._hand_over,
            begun_request=self._begun_request,
            from_start=from_start,
        )
        self._requests = Requests(connection, self._pairing, self._responses, body_limit, from_start=from_start)

    @property
    def idle(self) -> bool:
        """No transaction is in flight and no head is half read."""
        return self._requests.idle and self._responses.idle and not any(self._pairing.waiting)

    @property
    def held(self) -> int:
        """Bytes kept of bodies and heads that are still arriving."""
        return self._requests.held + self._responses.held

    def keep_no_more(self) -> None:
        """Cut the bodies that are arriving where they are, and give up large heads: memory is short."""
        self._requests.keep_no_more()
        self._responses.keep_no_more()

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Read `data` as one call carried it; `boundary` is False when it continues the data of the same call."""
        stream = self._requests if from_client else self._responses
        if not stream.done:
            stream.feed(data, at, boundary)
            if self._switched is not None:
                self.handover = Handover(self._switched, from_client, stream.rest)
                self._switched = None
            elif self._requests.preface and from_client:
                self.handover = Handover(None, from_client, self._requests.preface + stream.rest)

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Take note that `size` bytes of one direction were lost before its next ones; below 0: nobody knows how many."""
        stream = self._requests if from_client else self._responses
        if size and not stream.done:
            stream.gap(size, at)

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:
        """Count `size` bytes that passed but were not copied; `ends_chunked`: their call ended with `0 CRLF CRLF`.

        A chunked message ends there, one with a length by arithmetic, any other at the next head. The size of a chunked body
        that was not copied counts its framing too.
        """
        stream = self._requests if from_client else self._responses
        if size > 0 and not stream.done:
            stream.skip(size, at, ends_chunked=ends_chunked)

    def close(self, from_client: bool, at: int) -> None:  # noqa: ARG002 - the end of a side is no byte of a message
        """Take note that one side sends no more (FIN); this ends a body delimited by it."""
        stream = self._requests if from_client else self._responses
        if not stream.done:
            stream.close()
            if not from_client:
                self._pairing.give_up("closed_without_response")

    def end(self, at: int, reason: str) -> None:  # noqa: ARG002 - likewise
        """Finish everything live, marked with `reason` unless that is empty: the connection is gone or capture stops."""
        self._stop(reason)
        self._pairing.give_up(reason)

    def _hand_over(self, transaction: Transaction) -> bool:
        taken = self._takes_over(transaction)
        if taken:
            self._switched = transaction
        return taken

    def _begun_request(self, transaction: Transaction) -> bool:
        return self._requests.fill_in(transaction)

    def _turn_opaque(self) -> None:
        self.opaque = True
        self._stop("")
        self._pairing.give_up("closed_without_response")

    def _stop(self, reason: str) -> None:
        self._requests.stop(reason)
        self._responses.stop(reason)

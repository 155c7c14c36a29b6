"""The two directions of an HTTP/1 connection: what request heads and response heads mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtap.model import Connection, Message, Transaction
from qtap.model.xid import new_xid
from qtap.wire import http1_syntax as syntax
from qtap.wire.http1_body import Body
from qtap.wire.http1_pairing import Pairing
from qtap.wire.http1_stream import Stream

_SWITCHING_PROTOCOLS: Final = 101
_WITHOUT_BODY: Final = (204, 304)
_NAME: Final = b"HTTP/"


class Responses(Stream):
    """What the server sends."""

    __slots__ = ("_begun_request", "_connection", "_hand_over", "_pairing")

    def __init__(
        self,
        connection: Connection,
        pairing: Pairing,
        limit: int,
        turn_opaque: Callable[[], None],
        *,
        hand_over: Callable[[Transaction], bool],
        begun_request: Callable[[Transaction], bool],
        from_start: bool,
    ) -> None:
        super().__init__(Body("response", limit), turn_opaque, from_start=from_start)
        self._connection = connection
        self._pairing = pairing
        self._hand_over = hand_over
        self._begun_request = begun_request
        """Gives a response the part of its request that came before it, if there is one."""

    def begin(self, head: bytes, first_at: int, at: int, *, ordinary: bool, alone: bool) -> bool:  # noqa: ARG002
        """Find the request that this response answers; turn opaque at 101 and at 2xx to CONNECT (RFC 9110 section 9.3.6)."""
        status, length = syntax.read_response(head)
        if status < 0:
            return False
        if self.body.state:
            self.cut_short()
        if 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:  # noqa: PLR2004 - RFC 9110 section 15.2
            self._pairing.informational(head)
            return True
        transaction = self._open(status, head, first_at, at)
        tunnel = status == _SWITCHING_PROTOCOLS or (transaction.method == "CONNECT" and 200 <= status < 300)  # noqa: PLR2004
        self.body.start(transaction, transaction.response, 0 if tunnel else self._length(transaction, length))
        if tunnel:
            self._switch(transaction)
        elif not self.body.state:
            self.ended()
        return True

    def _switch(self, transaction: Transaction) -> None:
        """Leave the connection, and the transaction if its request is whole, to a successor; without one, turn opaque."""
        if self._pairing.sending is not transaction and self._hand_over(transaction):
            self.body.release()
            self._pairing.handed_over()
        else:
            transaction.opaque = True
            self.ended()
        self.turn_opaque()

    def _open(self, status: int, head: bytes, first_at: int, at: int) -> Transaction:
        transaction = self._pairing.response_began()
        known = transaction is not None
        if transaction is None:
            transaction = Transaction(id=new_xid(first_at), connection=self._connection)
        response = transaction.response
        response.first_at, response.last_at = first_at, at
        response.wire_size = len(head)
        response.head = head
        transaction.status = status
        if not known:
            self._pairing.orphan_began(transaction, early=self._pairing.unbroken and self._begun_request(transaction))
        return transaction

    @staticmethod
    def _length(transaction: Transaction, length: int) -> int:
        # RFC 9112 section 6.3 items 1 and 8.
        if transaction.status in _WITHOUT_BODY or transaction.method == "HEAD":
            return 0
        return syntax.UNTIL_CLOSE if length == syntax.NO_FRAMING else length

    def asked_again(self) -> None:
        """A client that asks again has the whole response: so one with unknown request ends, whatever its framing promises."""
        transaction = self._pairing.receiving
        if transaction is not None and not transaction.request.head and not self._pairing.pipelined:
            self.cut_short()

    def ended(self) -> None:
        """Tell the pairing."""
        self._pairing.response_ended(self.body.release())

    def unrecognized(self) -> None:
        """What it is shows in what the client sends."""

    def heads_lost(self) -> None:
        """Make the pairing give up what waits."""
        self._pairing.responses_lost()

    def passed_by(self) -> None:
        """A response may have been among it."""
        self._pairing.responses_blurred()

    def overtaken(self, data: bytes) -> bool:
        """A further request waits for its response; or the request is unknown, and might have been a HEAD."""
        transaction, waiting = self.body.transaction, bool(self._pairing.waiting)
        assert transaction is not None
        orphan = not transaction.request.head
        # A few bytes are rather a short body, "H" for one, than a status line in pieces.
        if orphan and not self.body.message.body_size and len(data) >= len(_NAME) and self.may_begin(data):
            return True
        return (waiting or orphan or self.body.expects_line) and self.starts(data)

    def starts(self, data: bytes, *, ordinary: bool = True) -> bool:  # noqa: ARG002
        """Tell whether `data` starts with a status line."""
        return syntax.starts_response(data)

    def may_begin(self, data: bytes | bytearray) -> bool:
        """Tell whether `data` can be the beginning of a status line."""
        return syntax.may_begin_response(data)

    def begins(self, data: bytes) -> bool:
        """Tell whether `data` begins with the name of the protocol."""
        return data.startswith(_NAME)

    def may_go_on(self, kept: bytearray) -> bool:  # noqa: ARG002 - whatever is kept begins with the protocol's name
        """Always: bodies rarely begin like a status line."""
        return True


class Requests(Stream):
    """What the client sends."""

    __slots__ = ("_connection", "_pairing", "_responses", "preface")

    def __init__(self, connection: Connection, pairing: Pairing, responses: Responses, limit: int, *, from_start: bool) -> None:
        super().__init__(Body("request", limit), responses.turn_opaque, from_start=from_start)
        self.preface = b""
        """The part of the HTTP/2 preface that was read."""
        self._connection = connection
        self._pairing = pairing
        self._responses = responses

    def begin(self, head: bytes, first_at: int, at: int, *, ordinary: bool, alone: bool) -> bool:
        """Open a transaction, or leave the connection to a successor at the HTTP/2 preface (RFC 9113 section 3.4)."""
        facts = syntax.read_request(head, ordinary=ordinary)
        if facts is None:
            return False
        method, target, version, host, length = facts
        if method == "PRI" and version == b"HTTP/2.0":
            self.preface = head
            self.turn_opaque()
            return True
        if self.body.state:
            self.cut_short()
        self._responses.asked_again()
        request = Message(head=head, wire_size=len(head), first_at=first_at, last_at=at)
        transaction = Transaction(
            id=new_xid(first_at),
            connection=self._connection,
            method=method,
            target=target,
            request=request,
            host=host,
        )
        self._pairing.request_began(transaction, alone=alone)
        # RFC 9112 section 6.3 item 7: a request without framing has no body.
        self.body.start(transaction, request, 0 if length == syntax.NO_FRAMING else length)
        if not self.body.state:
            self.ended()
        return True

    def fill_in(self, transaction: Transaction) -> bool:
        """Give `transaction`, a response, the whole lines of the head that it did not wait for; tell whether one has begun.

        RFC 9110 section 15.5.9 (408) and RFC 6585 section 5 (431) answer so.
        """
        if not self._buffer or not self._in_step:
            return False
        head, request = bytes(self._buffer[: self._buffer.rfind(b"\n") + 1]), transaction.request
        request.head, request.wire_size = head, len(self._buffer)
        request.first_at = request.last_at = self._first_at
        if facts := syntax.read_request(head):
            transaction.method, transaction.target, transaction.host = facts.method, facts.target, facts.host
        return True

    def ended(self) -> None:
        """Tell the pairing."""
        self._pairing.request_ended(self.body.release())

    def heads_lost(self) -> None:
        """Leave a hole in the queue."""
        self._pairing.requests_lost()

    def passed_by(self) -> None:
        """Nothing follows from it: the queue is of requests that were seen."""

    def unrecognized(self) -> None:
        """Another protocol, or HTTP/0.9, whose request line has no version and whose response no head."""
        self.turn_opaque()

    def overtaken(self, data: bytes) -> bool:
        """A client that has its whole response and sends a request has given up the old body."""
        transaction = self.body.transaction
        assert transaction is not None
        answered = bool(transaction.response.head) and self._pairing.receiving is not transaction
        return (answered or self.body.expects_line) and self.starts(data)

    def starts(self, data: bytes, *, ordinary: bool = True) -> bool:
        """Tell whether `data` starts with a request line."""
        return syntax.starts_request(data, ordinary=ordinary)

    def may_begin(self, data: bytes | bytearray) -> bool:
        """Tell whether `data` can be the beginning of a request line."""
        return syntax.may_begin_request(data)

    def begins(self, data: bytes) -> bool:
        """Tell whether `data` begins with a well-known method."""
        return syntax.begins_known_request(data)

    def may_go_on(self, kept: bytearray) -> bool:
        """Tell whether `kept` begins with a well-known method, or is the beginning of one."""
        return syntax.may_begin_known_request(kept)

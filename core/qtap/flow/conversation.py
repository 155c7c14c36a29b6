"""One connection's two byte streams, put in order, with every gap known, handed to the observer of its protocol."""

from __future__ import annotations

from typing import Protocol

from qtap.flow.reach import Unread
from qtap.flow.sockets import Totals, is_late
from qtap.model import Connection, Transaction
from qtap.wire import http1, http2
from qtap.wire.http1_syntax import starts_request
from qtap.wire.http2_attach import Attach
from qtap.wire.http2_syntax import begins_client, begins_frame, begins_server
from qtap.wire.observer import Handover, Listener, Observer
from qtap.wire.proxy_protocol import Beginning
from qtap.wire.successors import successor, takes_over

OUT, IN = 0, 1
_UNKNOWN = -1
_EARLY_LIMIT = 64
"""Chunks of a response held back for a request that another thread is still reporting."""


class Owner(Listener, Protocol):
    """Is told of a connection's transactions, and when it may have missed some."""

    def speaks(self, connection: Connection) -> bool:
        """The first message tells which end is the server. Gives whether the connection is wanted."""

    def lost(self, connection: Connection) -> None:
        """Calls of this connection are missing."""


class Conversation:
    """The plaintext of one socket or TLS handle.

    Positions count bytes of one direction from the first byte that the kernel side saw, so a difference between the expected
    and the next position is exactly what was lost.
    """

    __slots__ = (
        "_attach",
        "_beginning",
        "_body_limit",
        "_early",
        "_expected",
        "_from_start",
        "_in_order",
        "_live",
        "_owner",
        "_uncopied",
        "began",
        "born",
        "closed_at",
        "connection",
        "freed",
        "known_role",
        "observer",
        "probe",
        "sk",
        "totals",
    )

    def __init__(self, connection: Connection, owner: Owner, body_limit: int, sk: int, *, from_start: bool) -> None:
        """Begin; `from_start`: the first byte seen is the first that passed.

        Of a TLS handle whose probes came late it is not, though its socket was seen to open.
        """
        self.connection = connection
        self.sk = sk
        """Kernel address of the socket; 0 while unknown."""
        self.born = 0
        """The kernel's time of the connection's beginning: tells it from an earlier one of the same address; 0 if unknown."""
        self.began = 0
        """The kernel's time of the first record; an older end is not this one's."""
        self.closed_at = 0
        """When the socket, or the TLS handle, closed; 0 before that."""
        self.freed = False
        """The TLS handle is gone: what comes with its address from now on is another's."""
        self.totals = Totals(0, 0, 0)
        """What TCP counted by its end."""
        self.probe = ""
        """The TLS library that shows it."""
        self.known_role = False
        self._owner = owner
        self._body_limit = body_limit
        self._live = 0
        """Transactions opened and not finished."""
        self._expected = [_UNKNOWN, _UNKNOWN]
        self._uncopied = [0, 0]
        """Of the bytes up to there, those that passed and were not copied, though they were to be."""
        self._early: list[tuple[bytes, int, bool]] = []
        self._beginning = Beginning()
        self._attach: Attach | None = None
        """Looks for HTTP/2 where the first bytes were not seen."""
        self._from_start = from_start
        self._in_order = from_start
        """Every request before now was seen and has its answer, so that one too many is an answer that came early."""
        self.observer: Observer = http1.Observer(self, connection, body_limit, from_start=from_start, takes_over=takes_over)

    @property
    def opaque(self) -> bool:
        """No longer HTTP: nothing more to learn."""
        return self.observer.opaque

    @property
    def waiting(self) -> bool:
        """A response is held back because its request was not reported yet."""
        return bool(self._early)

    @property
    def held(self) -> int:
        """Bytes of memory of what is half read, and of what reading the rest takes."""
        held = self.observer.held + self._beginning.held
        if self._attach is not None:
            held += self._attach.held
        return held + sum([len(payload) for payload, _, _ in self._early]) if self._early else held

    def keep_no_more(self) -> None:
        """Give up what can be: memory is short."""
        self.observer.keep_no_more()
        self._attach = None
        self.release()

    def is_of(self, born: int, at: int) -> bool:
        """Whether this is the connection of that beginning (0: unknown), which was there at the kernel's time `at`."""
        return born == self.born if born and self.born else self.began <= at

    # What the observer reports.

    def opened(self, transaction: Transaction) -> None:
        """Pass on; a request seen when nothing was in flight puts the queue in order again."""
        self._live += 1
        if transaction.method:
            self._in_order = True
        self._owner.opened(transaction)

    def finished(self, transaction: Transaction) -> None:
        """Pass on."""
        self._live -= 1
        self._owner.finished(transaction)

    # What the kernel reports.

    def starts_again(self, direction: int) -> bool:
        """Whether a stream that begins now in `direction` cannot be this conversation's."""
        return self._expected[direction] > 0

    def data(self, direction: int, position: int, payload: bytes, at: int, *, boundary: bool) -> None:
        """Take bytes of one direction; `boundary` when a call of the process begins with them."""
        expected = self._expected
        if position != expected[direction]:
            self._step(direction, position, at)
        expected[direction] = position + len(payload)
        if not self.known_role:
            payload = self._beginning.pass_by(direction, payload)
            if self._beginning.client.ip:
                self.connection.client = self._beginning.client
            if not payload or not self._learn_role(direction, position, payload, at, boundary=boundary):
                return
        from_client = (direction == IN) == self.connection.server
        if self._early:
            if not from_client:
                self._hold(payload, at, boundary=boundary)
                return
            self._feed(from_client, payload, at, boundary=boundary)
            self.release()
            return
        if not self._live and not from_client and boundary and self._is_early(direction, payload):
            self._hold(payload, at, boundary=boundary)
            return
        self._feed(from_client, payload, at, boundary=boundary)

    def unseen(self, direction: int, size: int, at: int, *, by_design: bool, ends_chunked: bool) -> None:
        """Take note of bytes that passed and were not copied: lost, or left out by the capture level."""
        self.release()
        if self._expected[direction] >= 0:
            self._expected[direction] += size
            if not by_design:
                self._uncopied[direction] += size
        if not self.known_role:
            self._attach = None
            return
        from_client = (direction == IN) == self.connection.server
        if by_design:
            self.observer.skip(from_client, size, at, ends_chunked)
        else:
            self._in_order = False
            self.observer.gap(from_client, size, at)

    def count_up(self) -> None:
        """Write into the connection, at its end, what TCP counted, and how much of that nobody saw."""
        connection, totals = self.connection, self.totals
        connection.bytes_sent, connection.bytes_received = totals.sent, totals.received
        if connection.opened_at and not connection.tls and not self.opaque:
            connection.sent_unseen = max(totals.sent - self._copied(OUT), 0)
            connection.received_unseen = max(totals.read - self._copied(IN), 0)

    def _copied(self, direction: int) -> int:
        """Give how many bytes of one direction were seen, or were left out by the capture level."""
        return max(self._expected[direction], 0) - self._uncopied[direction]

    def eof(self, direction: int, at: int) -> None:
        """The process read the end of `direction`, or the connection closed."""
        self.release()
        if self.known_role:
            self.observer.close((direction == IN) == self.connection.server, at)

    def release(self) -> None:
        """Feed what was held back: its request came, or will not come."""
        early, self._early = self._early, []
        for payload, at, boundary in early:
            self._feed(from_client=False, payload=payload, at=at, boundary=boundary)

    def ignore(self, at: int) -> None:
        """Read no more of it: it turned out not to be wanted."""
        self._early = []
        self.observer.end(at, "")
        self.observer = Unread()

    def end(self, at: int, reason: str) -> None:
        """The connection is gone, or capture stops."""
        self.release()
        self.observer.end(at, reason)

    def _feed(self, from_client: bool, payload: bytes, at: int, *, boundary: bool) -> None:
        observer = self.observer
        observer.feed(from_client, payload, at, boundary)
        if observer.opaque and observer.handover is not None:
            self._hand_over(observer.handover, at)

    def _hand_over(self, handover: Handover, at: int) -> None:
        """Let a successor go on with the connection, from what the same call brought behind the switch."""
        maker = successor(handover.transaction)
        if maker is not None:
            self.observer = maker(self, self.connection, self._body_limit, handover)
            if handover.rest:
                self._feed(handover.from_client, handover.rest, at, boundary=False)

    def _step(self, direction: int, position: int, at: int) -> None:
        """The stream goes on at another position than expected: everything between is lost."""
        expected = self._expected[direction]
        if expected == _UNKNOWN:
            if not position or not self._from_start:
                return
            expected = 0
        self._uncopied[direction] += max(position - expected, 0)
        self._beginning.drop()
        self.release()
        self._in_order = False
        self._owner.lost(self.connection)
        self._attach = None
        if self.known_role:
            self.observer.gap((direction == IN) == self.connection.server, max(position - expected, _UNKNOWN), at)

    def _learn_role(self, direction: int, position: int, payload: bytes, at: int, *, boundary: bool) -> bool:
        """The client speaks first; later heads tell client and server; the middle of a body tells nothing.

        Gives whether the bytes are to be fed now.
        """
        first = self._from_start and position <= self._beginning.end(direction)
        if begins_client(payload) or (first and begins_server(payload)):
            client = direction if begins_client(payload) else 1 - direction
            self.observer = http2.Observer(self, self.connection, self._body_limit, from_start=True)
        elif payload.startswith(b"HTTP/"):
            client = 1 - direction
        # Of a TLS handle whose probes came late, the first bytes seen are not the connection's first.
        elif (first and not begins_frame(payload)) or starts_request(payload.lstrip(b"\r\n"), ordinary=True):
            client = direction
        else:
            self._look_for_http2(direction, payload, at, boundary=boundary)
            return False
        self._found_client(client)
        return True

    def _look_for_http2(self, direction: int, payload: bytes, at: int, *, boundary: bool) -> None:
        attach = self._attach = self._attach or Attach()
        client = attach.feed(direction, payload, at, boundary=boundary)
        if client is not None:
            self.observer = http2.Observer(self, self.connection, self._body_limit, from_start=False)
            self._found_client(client)
            for held_direction, data, held_at, held_boundary in attach.seen:
                self.observer.feed(held_direction == client, data, held_at, held_boundary)

    def _found_client(self, direction: int) -> None:
        self._attach = None
        self.connection.server = direction == IN
        self.known_role = True
        if self.probe:
            self.connection.tls_probe = self.probe
            was_open = bool(self.sk and not self.born)
            self.connection.seen_late |= is_late(self.probe, was_open=was_open, from_start=self._from_start)
        if not self._owner.speaks(self.connection):
            self.ignore(0)

    def _is_early(self, direction: int, payload: bytes) -> bool:
        # A write is reported when it returns: with one thread writing and another reading, the answer may be reported first.
        return direction == IN and self._in_order and payload.startswith(b"HTTP/") and self.observer.idle

    def _hold(self, payload: bytes, at: int, *, boundary: bool) -> None:
        self._early.append((payload, at, boundary))
        if len(self._early) > _EARLY_LIMIT:
            self.release()

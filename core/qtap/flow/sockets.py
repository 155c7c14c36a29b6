"""TCP connections of which more, or less, is known than plain HTTP: TLS hellos, other protocols, and what TCP counted."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple

from qtap.capture.records import CLIENT, FROM_START, IN, SERVER, TOTALS
from qtap.flow.reports import Reports
from qtap.model import Connection
from qtap.wire import tls_hello

_LIMIT = 65_536
"""As many connections as the kernel's own table; the oldest goes first."""
_LINGER = 250_000_000
"""Nanoseconds that a closed socket is kept: longer than its TLS handle's conversation, whose requests belong to it."""
_TELL_BEGINNINGS = ("openssl", "go", "rustls")
"""The TLS libraries whose handles are heard of when they begin; of others it is not known how much passed before."""
_PARTIAL_LIMIT = 1024
"""Hellos of which the rest is awaited."""
_HELLO_MAX = 4096
"""Bytes of a hello that the kernel's side copies; HELLO_MAX of bpf/notices.h."""


class Totals(NamedTuple):
    """What TCP counted of a connection by its end, in bytes."""

    sent: int
    received: int
    read: int
    """Of those received, what the process took."""

    @classmethod
    def of(cls, data: bytes) -> Totals:
        """Read the data of a CLOSE record; all 0 where there is none."""
        return cls(*TOTALS.unpack_from(data)) if len(data) >= TOTALS.size else cls(0, 0, 0)


class _Socket:
    __slots__ = ("born", "closed_at", "connection")

    def __init__(self, connection: Connection, born: int) -> None:
        self.connection = connection
        self.born = born
        self.closed_at = 0


class Sockets:
    """The connections that the kernel told of for something else than plain HTTP, by their socket's kernel address.

    A TLS connection whose plaintext is seen is the same Connection here and in the conversation of its TLS handle.
    """

    def __init__(self, reports: Reports) -> None:
        self.evicted = 0
        self._reports = reports
        self._table: OrderedDict[int, _Socket] = OrderedDict()
        self._partial: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._closing: deque[tuple[int, int, _Socket]] = deque()

    def __len__(self) -> int:
        return len(self._table)

    def told(self, sk: int, born: int, make: Callable[[], Connection], now: int) -> Connection:
        """Give the connection of a socket that the kernel told of, made by `make` when it is new."""
        known = self._table.get(sk)
        if known is not None and known.born == born:
            return known.connection
        if known is not None:
            self._end(sk, known, now)
        connection = make()
        self._table[sk] = _Socket(connection, born)
        if not connection.part:
            self._reports.soon(connection, now)
        if len(self._table) > _LIMIT:
            self._evict(now)
        return connection

    def hello(self, sk: int, connection: Connection, direction: int, data: bytes, flags: int) -> None:
        """Take a piece of the first TLS record of one direction."""
        connection.tls = True
        _learn_side(connection, flags)
        key = sk, direction
        held = self._partial.pop(key, b"") + data
        if len(held) < min(tls_hello.record_length(held), _HELLO_MAX):
            self._partial[key] = held
            if len(self._partial) > _PARTIAL_LIMIT:
                self._partial.popitem(last=False)
            return
        said = tls_hello.parse(held)
        if said is not None:
            _learn(connection, said, direction)

    def adopt(self, sk: int, born: int) -> Connection | None:
        """Give the connection of a socket, for the conversation of its TLS handle."""
        known = self._table.get(sk)
        return known.connection if known is not None and known.born == born else None

    def join(self, sk: int, born: int, connection: Connection, now: int) -> None:
        """Take that a TLS handle's connection, which began without its socket, is that of this socket."""
        known = self._table.get(sk)
        if known is None or known.born != born or known.connection is connection:
            return
        before, known.connection = known.connection, connection
        for name in ("sni", "tls_version", "tls_cipher", "alpn"):
            setattr(connection, name, getattr(before, name))
        if before.part:  # its line is out: it ends where the other goes on
            before.closed_at = now
            self._reports.last(before)
        else:
            self._reports.forget(before)

    def holds(self, sk: int, connection: Connection) -> bool:
        """Tell whether the socket of a TLS handle's connection is known, and will tell of its end."""
        known = self._table.get(sk)
        return known is not None and known.connection is connection

    def closed(self, sk: int, born: int, totals: Totals, at: int, now: int) -> None:
        """Take that the connection of `sk` that began at `born` (0: unknown) closed at the kernel's time `at`, which is `now`.

        An earlier one at `sk` is over too, though nobody told; a later one is not.
        """
        known = self._table.get(sk)
        if known is not None and known.born <= at:
            if known.born == born or not born:
                known.connection.bytes_sent, known.connection.bytes_received = totals.sent, totals.received
            known.closed_at = now
            self._closing.append((now + _LINGER, sk, known))

    def tick(self, now: int) -> None:
        """Report the ends that are due."""
        while self._closing and self._closing[0][0] <= now:
            _, sk, known = self._closing.popleft()
            if self._table.get(sk) is known:
                self._end(sk, known, now)

    def stop(self, now: int) -> None:
        """Report the ends that are known of: capture ends."""
        self.tick(now + _LINGER)

    def _end(self, sk: int, known: _Socket, at: int) -> None:
        del self._table[sk]
        for direction in (0, 1):
            self._partial.pop((sk, direction), None)
        known.connection.closed_at = known.closed_at or at
        self._reports.last(known.connection)

    def _evict(self, now: int) -> None:
        sk, known = next(iter(self._table.items()))
        self.evicted += 1
        self._end(sk, known, now)


def _learn_side(connection: Connection, flags: int) -> None:
    """Say which end is the server; of a connection that was open before, the lower port is likelier one that was chosen."""
    if flags & (SERVER | CLIENT):
        connection.server = bool(flags & SERVER)
    elif not connection.part:
        connection.server = connection.local.port < connection.remote.port


def _learn(connection: Connection, said: tls_hello.Hello, direction: int) -> None:
    connection.server = (direction == IN) == said.from_client
    if said.from_client:
        connection.sni = said.server_name
        connection.alpn = said.alpn
        connection.tls_version = connection.tls_version or said.version
    else:
        connection.tls_version, connection.tls_cipher = said.version, said.cipher
        connection.alpn = said.alpn or connection.alpn


def other(connection: Connection, flags: int, probe: str) -> None:
    """Take that a connection carries something else than HTTP; `probe` showed that inside of TLS, if not empty."""
    connection.protocol = "other"
    if probe:
        connection.tls, connection.tls_probe = True, probe
        connection.seen_late |= is_late(probe, was_open=not connection.opened_at, from_start=bool(flags & FROM_START))
    else:
        _learn_side(connection, flags)


def is_late(probe: str, *, was_open: bool, from_start: bool) -> bool:
    """Whether plaintext of a TLS connection may have passed before the first that was seen; `was_open`: before capture."""
    return not from_start and (was_open or probe in _TELL_BEGINNINGS)

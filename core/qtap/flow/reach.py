"""Which connections are reported, by their direction and their other end (spec qtap.md 1.7 and 7.6).

The kernel leaves out what it can tell: loopback. Who of the two ends asks is known from the first message only, so the rest is
left out here, and the kernel is asked to copy no more of it.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import msgspec

from qtap.model import Connection, Loss, Process, Sink, Transaction
from qtap.wire.observer import Handover


class Reach(msgspec.Struct, frozen=True):
    """False when every connection is wanted."""

    direction: str = "all"
    """One of `qtap.config.schema.DIRECTIONS`."""
    ignore_loopback: bool = False

    def __bool__(self) -> bool:
        return self.direction != "all" or self.ignore_loopback

    @property
    def halves(self) -> bool:
        """Of a connection within this host only one end can be wanted."""
        return self.direction != "all"

    def can_tell(self, connection: Connection) -> bool:
        """Whether what is known of `connection` is enough to say whether it is wanted."""
        return bool(connection.remote.ip) or not (self.ignore_loopback or self.direction.startswith("egress-"))

    def takes(self, connection: Connection) -> bool:
        """Whether `connection`, of whose ends one is known to be the server, is wanted; so is what cannot be told."""
        if self.ignore_loopback and _is_loopback(connection.remote.ip):
            return False
        if self.direction == "all":
            return True
        if self.direction == "egress":
            return not connection.server
        if connection.server or self.direction == "ingress" or not connection.remote.ip:
            return connection.server == (self.direction == "ingress")
        return connection.direction == self.direction


EVERYWHERE = Reach()


@lru_cache(maxsize=4096)
def _is_loopback(ip: str) -> bool:
    return bool(ip) and ipaddress.ip_address(ip).is_loopback


class Unread:
    """Implements `qtap.wire.observer.Observer` for a connection that is not wanted."""

    opaque = True
    handover: Handover | None = None
    idle = True
    held = 0

    def keep_no_more(self) -> None:
        """Nothing is kept."""

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Drop the data."""

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Nothing is missed."""

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:
        """Nothing is missed."""

    def close(self, from_client: bool, at: int) -> None:
        """Nothing is open."""

    def end(self, at: int, reason: str) -> None:
        """Nothing is open."""


class ReachSink:
    """Passes on what is wanted.

    Where that cannot be told yet, a transaction waits until it is finished, and a connection until it closes.
    """

    def __init__(self, sink: Sink, reach: Reach) -> None:
        self._sink = sink
        self._reach = reach
        self._opened: set[str] = set()

    def transaction_opened(self, transaction: Transaction) -> None:
        """Pass on what is known to be wanted."""
        connection = transaction.connection
        if self._reach.can_tell(connection) and self._reach.takes(connection):
            self._opened.add(transaction.id)
            self._sink.transaction_opened(transaction)

    def transaction_finished(self, transaction: Transaction) -> None:
        """Pass on what is wanted, and the end of everything whose beginning was."""
        if transaction.id in self._opened:
            self._opened.discard(transaction.id)
        elif self._reach.takes(transaction.connection):
            self._sink.transaction_opened(transaction)
        else:
            return
        self._sink.transaction_finished(transaction)

    def connection_changed(self, connection: Connection) -> None:
        """Pass on what is wanted."""
        if (connection.closed_at or connection.cut or self._reach.can_tell(connection)) and self._reach.takes(connection):
            self._sink.connection_changed(connection)

    def process_seen(self, process: Process) -> None:
        """Pass on."""
        self._sink.process_seen(process)

    def lost(self, loss: Loss) -> None:
        """Pass on."""
        self._sink.lost(loss)

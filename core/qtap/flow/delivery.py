"""What the observers report, completed and passed on: to the sink, to the reports of connections, to the other end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from qtap.flow.peers import Peers
from qtap.flow.reach import Reach
from qtap.flow.reports import Reports
from qtap.model import Connection, Endpoint, Sink, Transaction, without_port

_PEER_WAIT = 200_000_000
"""Nanoseconds a finished transaction waits for its other end, whose call may return, and be reported, later."""
_UNKNOWN_HOST = str(Endpoint())


class Delivery:
    """Implements `qtap.flow.conversation.Owner`."""

    def __init__(self, sink: Sink, reports: Reports, reach: Reach) -> None:
        self.seek: Callable[[int], None] = lambda _pid: None
        """Asks for the sockets of a process whose OpenSSL handles have none; once, until `unsought`."""
        self._sink = sink
        self._reports = reports
        self._reach = reach
        self._peers = Peers(both_ends=not reach.halves)
        self._unmatched: deque[tuple[int, Transaction]] = deque()
        self._sought: set[int] = set()

    def opened(self, transaction: Transaction) -> None:
        """Complete a transaction that an observer began, and pass it on."""
        connection = transaction.connection
        if connection.protocol != transaction.protocol:
            connection.protocol = transaction.protocol
            self._reports.corrected(connection, time.time_ns())
        if not transaction.host:
            transaction.host = _missing_host(transaction)
        elif not connection.host:
            connection.host = without_port(transaction.host)
        self._peers.opened(transaction)
        self._sink.transaction_opened(transaction)

    def finished(self, transaction: Transaction) -> None:
        """Pass on a transaction that changes no more, once its other end is known or will not be."""
        if self._peers.awaits(transaction):
            self._unmatched.append((time.time_ns() + _PEER_WAIT, transaction))
        else:
            self._sink.transaction_finished(transaction)

    def speaks(self, connection: Connection) -> bool:
        """Report a connection, now that its direction is known, and its ends are; give whether it is wanted."""
        report = self._reports.at_once if connection.local.ip else self._reports.soon
        report(connection, time.time_ns())
        return self._reach.takes(connection)

    def lost(self, connection: Connection) -> None:
        """Pair nothing across a loss."""
        self._peers.lost(connection)

    def found(self, connection: Connection, ends: tuple[Endpoint, Endpoint]) -> bool:
        """Take that the socket of a connection is known now, or is another one; give whether that is wanted."""
        unplaced = self._peers.take_unplaced(connection)
        self._peers.closed(connection)
        connection.local, connection.remote = ends
        for transaction in unplaced:
            if transaction.host == _UNKNOWN_HOST:
                transaction.host = _missing_host(transaction)
            self._peers.opened(transaction)
        return self._reach.takes(connection)

    def ending(self, connection: Connection) -> None:
        """Take that a connection's socket, if it is not known yet, will not be."""
        self._peers.take_unplaced(connection)

    def ended(self, connection: Connection) -> None:
        """Take that a connection brings no more transactions."""
        self._peers.closed(connection)

    def exited(self, pid: int) -> None:
        """Take that a process ended."""
        self._peers.exited(pid)
        self._sought.discard(pid)

    def unsought(self, pid: int) -> None:
        """Take that the sockets of a process are not asked for any more; when its handles have none, they are again."""
        self._sought.discard(pid)

    def tick(self, now: int) -> None:
        """Pass on what waited long enough, or for nothing any more."""
        unmatched = self._unmatched
        while unmatched and (unmatched[0][0] <= now or unmatched[0][1].peer):
            transaction = unmatched.popleft()[1]
            if not transaction.connection.local.ip:
                self._seek_for(transaction.connection)
            self._peers.forget(transaction)
            self._sink.transaction_finished(transaction)

    def stop(self, now: int) -> None:
        """Pass on everything: capture ends."""
        self.tick(now + 2 * _PEER_WAIT)

    def _seek_for(self, connection: Connection) -> None:
        pid = connection.process.pid
        if connection.tls_probe == "openssl" and pid not in self._sought:
            self._sought.add(pid)
            self.seek(pid)


def _missing_host(transaction: Transaction) -> str:
    """Name the server of a request that does not: SNI, else the name that was looked up, else the server's address."""
    connection = transaction.connection
    if connection.server:
        return connection.sni or str(connection.local)
    return connection.sni or connection.looked_up or str(connection.remote)

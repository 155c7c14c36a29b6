"""Joining the two ends of a local connection: one exchange, seen by both of its processes, is two transactions.

Both ends see the same requests in the same order, so the oldest that waits is the other half, if its head is the same. Requests
may be all alike, so order alone tells them apart: where an end did not see everything, those that wait are given up.

A call is reported when it returns. So a client may be heard of after its server has answered, but a server never after its
client has the answer: of a client's transactions that waits with one, the server's half was not seen.
"""

from __future__ import annotations

from qtap.capture.namespaces import NetworkNamespaces
from qtap.model import Connection, Transaction

_PENDING = 1024
"""Transactions of one end of a connection that may wait for their other half."""

Key = tuple[str, int, str, int, int]
"""The client's address and the server's, and of loopback addresses the network namespace."""
_LOOPBACK = ("127.", "::1")
Waiting = dict[str, Transaction]
"""By their ids, the oldest first."""
Sides = tuple[Waiting, Waiting]
"""The client's, the server's."""


class Peers:
    """Matches transactions by the connection's two addresses and their order."""

    def __init__(self, *, both_ends: bool = True) -> None:
        """`both_ends`: whether the other end of a local connection can be expected at all."""
        self._both_ends = both_ends
        self._local: set[str] = {"127.0.0.1", "::1"}
        self._namespaces = NetworkNamespaces()
        self._pending: dict[Key, Sides] = {}
        self._sides: dict[str, Sides] = {}
        """Those of each open connection that has another end here, by its id: `_pending` without the cost of a key."""
        self._unplaced: dict[str, Waiting] = {}
        """What waits on each connection whose socket is not known yet, by its id."""

    def opened(self, transaction: Transaction) -> None:
        """Look for the other half, else wait for it."""
        connection = transaction.connection
        sides = self._sides.get(connection.id) or self._find(connection)
        if sides is None:
            if not connection.local.ip and len(unplaced := self._unplaced.setdefault(connection.id, {})) < _PENDING:
                unplaced[transaction.id] = transaction
            return
        others = sides[not connection.server]
        if connection.server and transaction.request.head:
            for other in [other for other in others.values() if _was_answered_before(transaction, other)]:
                del others[other.id]
        for other in others.values():
            if _may_be_one(transaction, other):
                del others[other.id]
                other.peer, transaction.peer = transaction.id, other.id
                return
        if len(sides[connection.server]) < _PENDING:
            sides[connection.server][transaction.id] = transaction

    def take_unplaced(self, connection: Connection) -> list[Transaction]:
        """Give what was opened on `connection` while its addresses were unknown, to be opened again."""
        return list(self._unplaced.pop(connection.id, {}).values())

    def _find(self, connection: Connection) -> Sides | None:
        """Give the two ends of `connection`; None when only one can be on this host."""
        if not self._both_ends or not connection.local.ip or not connection.remote.ip:
            return None
        self._local.add(connection.local.ip)
        if connection.remote.ip not in self._local:
            return None
        sides = self._sides[connection.id] = self._pending.setdefault(self._key(connection), ({}, {}))
        return sides

    def awaits(self, transaction: Transaction) -> bool:
        """Whether the other half, or the socket, may still come."""
        if transaction.peer:
            return False
        ident = transaction.connection.id
        if ident in self._unplaced:
            return transaction.id in self._unplaced[ident]
        sides = self._sides.get(ident)
        return sides is not None and transaction.id in sides[transaction.connection.server]

    def forget(self, transaction: Transaction) -> None:
        """Wait no longer for the other half."""
        unplaced = self._unplaced.get(transaction.connection.id)
        if unplaced is not None:
            unplaced.pop(transaction.id, None)
        sides = self._sides.get(transaction.connection.id)
        if sides is not None:
            sides[transaction.connection.server].pop(transaction.id, None)

    def lost(self, connection: Connection) -> None:
        """Give up what waits: an end of this connection did not see everything."""
        self._unplaced.get(connection.id, {}).clear()
        for side in self._sides.get(connection.id, ()):
            side.clear()

    def closed(self, connection: Connection) -> None:
        """Forget what waits on this connection once neither end has anything left."""
        self._unplaced.pop(connection.id, None)
        sides = self._sides.pop(connection.id, None)
        if sides is None:
            return
        sides[connection.server].clear()
        key = self._key(connection)
        if not sides[not connection.server] and self._pending.get(key) is sides:
            del self._pending[key]

    def exited(self, pid: int) -> None:
        """Take that a process ended."""
        self._namespaces.forget(pid)

    def _key(self, connection: Connection) -> Key:
        client, server = connection.local, connection.remote
        if connection.server:
            client, server = server, client
        # Each namespace has loopback addresses of its own; other addresses may join processes of different ones.
        within = self._namespaces.of(connection.process.pid) if client.ip.startswith(_LOOPBACK) else 0
        return client.ip, client.port, server.ip, server.port, within


def _may_be_one(new: Transaction, waiting: Transaction) -> bool:
    """Tell whether both can be one exchange; `new` may be an answer whose request this end did not see.

    Such an answer is known by nothing but its own head: what waits may be of a later exchange, when both ends lost the request.
    """
    if new.connection is waiting.connection or new.stream != waiting.stream:
        return False
    if new.request.head:
        return new.request.head == waiting.request.head
    return new.response.head == waiting.response.head


def _was_answered_before(new: Transaction, waiting: Transaction) -> bool:
    """Tell whether the client had the answer before the server, heard of only now, read the request `new`."""
    return bool(waiting.response.head) and waiting.response.first_at < new.request.first_at

"""Joining the two ends of a local connection: one exchange, seen by both of its processes, is two transactions."""

from __future__ import annotations

from collections import deque

from qtap.model import Connection, Transaction

_PENDING = 8
"""Transactions of one connection that may wait for their other half; both ends see them in the same order."""

Key = tuple[str, int, str, int]


class Peers:
    """Matches transactions by the connection's two addresses and the bytes of the request head, which both ends share."""

    def __init__(self) -> None:
        self._local: set[str] = {"127.0.0.1", "::1"}
        self._pending: dict[Key, tuple[deque[Transaction], deque[Transaction]]] = {}

    def opened(self, transaction: Transaction) -> None:
        """Look for the other half, else wait for it."""
        connection = transaction.connection
        self._local.add(connection.local.ip)
        if connection.remote.ip not in self._local:
            return
        key = _key(connection)
        sides = self._pending.get(key)
        if sides is None:
            sides = self._pending[key] = (deque(maxlen=_PENDING), deque(maxlen=_PENDING))
        others = sides[not connection.server]
        for other in others:
            if other.request.head == transaction.request.head and other.connection is not connection:
                other.peer, transaction.peer = transaction.id, other.id
                others.remove(other)
                return
        sides[connection.server].append(transaction)

    def closed(self, connection: Connection) -> None:
        """Forget what waits on this connection once neither end has anything left."""
        sides = self._pending.get(key := _key(connection))
        if sides is not None:
            sides[connection.server].clear()
            if not sides[not connection.server]:
                del self._pending[key]


def _key(connection: Connection) -> Key:
    client, server = connection.local, connection.remote
    if connection.server:
        client, server = server, client
    return client.ip, client.port, server.ip, server.port

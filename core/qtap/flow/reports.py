"""When a connection is reported: first, every ten seconds while it is open, and once at its end (spec qtap.md 3.1)."""

from __future__ import annotations

from collections import OrderedDict

from qtap.model import Connection, Sink

_FIRST_AFTER = 500_000_000
"""Nanoseconds that a connection without HTTP lives before its first report, so that a short one is one line, not two."""
_EVERY = 10_000_000_000


class Reports:
    """Tells `sink` of connections. Times are nanoseconds since the epoch; a connection is forgotten once its end was told."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: OrderedDict[str, tuple[int, Connection]] = OrderedDict()
        """Not reported yet, in the order in which they will be."""
        self._misjudged: set[str] = set()
        """Of which was told that they carry no HTTP, or that it is not seen."""
        self._open: OrderedDict[str, tuple[int, Connection]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._open)

    def soon(self, connection: Connection, now: int) -> None:
        """Report a connection in half a second, if it has not ended then."""
        self._waiting[connection.id] = now + _FIRST_AFTER, connection

    def at_once(self, connection: Connection, now: int) -> None:
        """Report a connection of which something new is known."""
        self._waiting.pop(connection.id, None)
        self._open.pop(connection.id, None)
        self._tell(connection)
        self._open[connection.id] = now + _EVERY, connection

    def corrected(self, connection: Connection, now: int) -> None:
        """Report a connection that turned out to carry HTTP, if something else was told of it."""
        if connection.id in self._misjudged:
            self.at_once(connection, now)

    def last(self, connection: Connection) -> None:
        """Report a connection that has closed; once, whoever says so."""
        if not connection.part or connection.id in self._open:
            self._tell(connection)
            self.forget(connection)

    def forget(self, connection: Connection) -> None:
        """Report it no more."""
        self._waiting.pop(connection.id, None)
        self._open.pop(connection.id, None)
        self._misjudged.discard(connection.id)

    def stop(self) -> None:
        """Report what is still open for the last time: capture ends."""
        for queue in (self._waiting, self._open):
            while queue:
                _, (_, connection) = queue.popitem(last=False)
                connection.cut = not connection.closed_at
                self._tell(connection)

    def tick(self, now: int) -> None:
        """Make the reports that are due."""
        for queue in (self._waiting, self._open):
            while queue and next(iter(queue.values()))[0] <= now:
                _, (_, connection) = queue.popitem(last=False)
                if not connection.closed_at:
                    self.at_once(connection, now)
                elif connection.part:  # its TLS handle is gone: it waits for its socket's end
                    self._open[connection.id] = now + _EVERY, connection

    def _tell(self, connection: Connection) -> None:
        if connection.protocol == "other" or connection.hides_plaintext:
            self._misjudged.add(connection.id)
        elif connection.protocol:
            self._misjudged.discard(connection.id)
        self._sink.connection_changed(connection)
        connection.part += 1

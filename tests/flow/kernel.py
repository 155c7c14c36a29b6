"""Records as the kernel side would write them, made by hand: a socket, or a TLS handle, and what its process does with it."""

from __future__ import annotations

import itertools

from qtap.capture import records
from qtap.capture.records import DATA, FROM_START, HEADER, IN, OUT
from qtap.flow.log import TransactionLog
from qtap.flow.sinks import LogSink
from qtap.flow.table import ConnectionTable
from qtap.model import Connection, Process, Transaction

_clock = itertools.count(1_000_000_000, 1_000_000)
AF_INET, AF_INET6 = 2, 10


def kernel_time() -> int:
    """Give a time after all records made so far, and before those made later."""
    return next(_clock)


def ipv4(text: str) -> bytes:
    return bytes(map(int, text.split("."))) + bytes(12)


class Stream:
    """One end of a connection; each method gives the record of one call."""

    def __init__(
        self,
        pid: int,
        local: int,
        remote: int,
        *,
        sk: int = 0x1000,
        handle: int = 0,
        opened: int = 1,
        from_start: bool = True,
        address: str = "127.0.0.1",
        peer: str = "",
    ) -> None:
        self.pid, self.local, self.remote, self.sk, self.handle, self.opened = pid, local, remote, sk, handle, opened
        self.from_start = from_start
        self.address, self.peer = ipv4(address), ipv4(peer or address)
        self._positions, self._counts = [0, 0], [0, 0]

    def sends(self, data: bytes, *, flags: int = 0, unseen: int = 0) -> bytes:
        return self._call(OUT, data, flags, unseen)

    def receives(self, data: bytes, *, flags: int = 0, unseen: int = 0) -> bytes:
        return self._call(IN, data, flags, unseen)

    def sends_file(self, piece: bytes, size: int) -> bytes:
        position, count = self._positions[OUT], self._counts[OUT]
        self._positions[OUT] += size
        self._counts[OUT] += 1
        return self._record(DATA, OUT, position, count, size, piece, FROM_START | records.UNSEEN | records.FILE)

    def reads_end(self) -> bytes:
        return self._call(IN, b"", records.EOF, 0)

    def closes(self, sent: int = 0, received: int = 0, *, read: int | None = None) -> bytes:
        totals = b"" if self.handle else records.TOTALS.pack(sent, received, received if read is None else read)
        return self._record(records.CLOSE, OUT, 0, 0, 0, totals, 0)

    def hello(self, data: bytes, direction: int = OUT, flags: int = 0) -> bytes:
        return self._record(records.HELLO, direction, 0, 0, len(data), data, flags)

    def other(self, flags: int = 0) -> bytes:
        return self._record(records.OTHER, OUT, 0, 0, 0, b"", flags)

    def _call(self, direction: int, data: bytes, flags: int, unseen: int) -> bytes:
        position, count = self._positions[direction], self._counts[direction]
        self._positions[direction] += len(data) + unseen
        self._counts[direction] += 1
        flags |= FROM_START if self.opened and self.from_start else 0
        return self._record(DATA, direction, position, count, len(data) + unseen, data, flags)

    def goes_on_as(self, other: Stream) -> None:
        """The same handle, told of its socket from now on."""
        other._positions, other._counts = self._positions, self._counts

    def _record(  # noqa: PLR0917 - the record's own order
        self, kind: int, direction: int, position: int, count: int, total: int, data: bytes, flags: int
    ) -> bytes:
        return (
            HEADER.pack(
                next(_clock), self.sk, self.handle, position, self.opened, self.pid, count, total, 0, len(data),
                self.local, self.remote, self.address, self.peer,
                kind, direction, 1 if self.handle else 0, flags, AF_INET, 0,
            )
            + data
        )  # fmt: skip


class Told(LogSink):
    """Remembers everything it was given."""

    def __init__(self) -> None:
        super().__init__(TransactionLog(1 << 30))
        self.opened: list[Transaction] = []
        self.finished: list[Transaction] = []
        self.connections: list[Connection] = []
        self.processes: list[Process] = []

    def transaction_opened(self, transaction: Transaction) -> None:
        super().transaction_opened(transaction)
        self.opened.append(transaction)

    def transaction_finished(self, transaction: Transaction) -> None:
        super().transaction_finished(transaction)
        assert transaction.finished
        self.finished.append(transaction)

    def process_seen(self, process: Process) -> None:
        self.processes.append(process)

    def connection_changed(self, connection: Connection) -> None:
        self.connections.append(connection)


def told_by(*given: bytes, stop: bool = True, body_limit: int = 1 << 20) -> Told:
    """Feed records to a connection table; give what came out."""
    told = Told()
    table = ConnectionTable(told, lambda pid: Process(pid, exe=f"/bin/p{pid}"), body_limit=body_limit)
    for record in given:
        table.take(record, 0)
    if stop:
        table.stop()
    assert {t.id for t in told.opened} >= {t.id for t in told.finished}
    return told

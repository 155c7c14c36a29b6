"""Playing a capture: a Source whose records come from a file instead of the kernel."""

from __future__ import annotations

import copy
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from qtap.captures.format import Record
from qtap.captures.reader import CaptureReader
from qtap.model import Connection, Loss, Message, Process, Sink, Transaction, WebSocket, WebSocketMessage

_AHEAD_RECORDS = 2000
_AHEAD_BYTES = 32 << 20
"""How far a paced replay reads ahead, so that a transaction opens before the ones that end earlier."""
_SHARED = 10_000
"""Connections remembered."""
_LONGEST_WAIT = 86_400
"""Seconds; a damaged time would make it years."""


class ReplaySource:
    """Gives the records of `reader` to a sink in the order of the file, on the thread `qtap-replay`.

    As fast as the sink takes them, or, with `pace`, at the speed at which they were recorded: a transaction is then opened
    with its request alone when that began, gets its status when the response began, and is finished when its last byte passed.
    `on_end` is called on the thread once the whole capture was given, not when `stop` ended it. Connections that are equal are
    given as one object, as live capture gives them.
    """

    def __init__(self, reader: CaptureReader, *, pace: bool = False, on_end: Callable[[], None] | None = None) -> None:
        self._reader = reader
        self._on_end = on_end
        self._play = self._play_paced if pace else self._play_at_once
        self._stopping = threading.Event()
        self._connections: dict[str, Connection] = {}
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink) -> None:
        """Begin giving records to `sink`."""
        self._thread = threading.Thread(target=self._run, args=(sink,), name="qtap-replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End before the next record; returns within a second."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(0.9)

    def _run(self, sink: Sink) -> None:
        self._play(sink)
        self._reader.close()
        if self._on_end is not None and not self._stopping.is_set():
            self._on_end()

    def _play_at_once(self, sink: Sink) -> None:
        for record in self._reader:
            if self._stopping.is_set():
                return
            if isinstance(record, Transaction):
                self._share(record)
                finished, record.finished = record.finished, False
                sink.transaction_opened(record)
                record.finished = finished
            give(record, sink)

    def _play_paced(self, sink: Sink) -> None:
        clock, began = time.monotonic_ns(), 0
        for at, act in Schedule(self._records(), sink):
            began = began or at
            wait = (at - began - (time.monotonic_ns() - clock)) / 1e9
            if self._stopping.wait(min(max(wait, 0), _LONGEST_WAIT)):
                return
            act()

    def _records(self) -> Iterator[Record]:
        for record in self._reader:
            if isinstance(record, Transaction):
                self._share(record)
            yield record

    def _share(self, transaction: Transaction) -> None:
        connection = transaction.connection
        known = self._connections.get(connection.id)
        if known == connection:
            transaction.connection = known
            return
        if len(self._connections) >= _SHARED:
            self._connections.clear()
        self._connections[connection.id] = connection


class Schedule:
    """What a paced replay does and when: iterates as (nanoseconds since the epoch, what to do), in order.

    Ends stay in the order of the file. Reads ahead within bounds; a transaction that began earlier than that opens late.
    """

    def __init__(self, records: Iterator[Record], sink: Sink) -> None:
        self._records = records
        self._sink = sink
        self._ends: deque[tuple[int, int, Callable[[], None]]] = deque()
        """When, bytes held, what to do."""
        self._before: list[tuple[int, int, Callable[[], None]]] = []
        """When, order, what to do: openings, and the heads of responses."""
        self._held = 0
        self._order = itertools.count()
        self._latest = 0

    def __iter__(self) -> Iterator[tuple[int, Callable[[], None]]]:
        while self._read_ahead():
            due, held, end = self._ends[0]
            if self._before and self._before[0][0] <= due:
                at, _, act = heapq.heappop(self._before)
                yield at, act
                continue
            self._ends.popleft()
            self._held -= held
            yield due, end

    def _read_ahead(self) -> bool:
        while len(self._ends) < _AHEAD_RECORDS and (not self._ends or self._held < _AHEAD_BYTES):
            record = next(self._records, None)
            if record is None:
                break
            self._add(record)
        return bool(self._ends)

    def _push(self, at: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._before, (at, next(self._order), act))

    def _add(self, record: Record) -> None:
        due = self._latest = max(self._latest, _time_of(record))
        if not isinstance(record, Transaction):
            self._ends.append((due, 0, partial(give, record, self._sink)))
            return
        whole = copy.copy(record)
        record.status, record.response, record.informational = 0, Message(), ()
        record.incomplete, record.opaque, record.finished = (), False, False
        if whole.websocket:
            record.websocket = self._open_websocket(whole.websocket, due)
        self._push(min(whole.started_at, due), partial(self._sink.transaction_opened, record))
        if whole.response.head:
            self._push(min(max(whole.response.first_at, whole.started_at), due), partial(_answer, record, whole))
        self._held += whole.cost
        self._ends.append((due, whole.cost, partial(_finish, record, whole, self._sink)))

    def _open_websocket(self, whole: WebSocket, due: int) -> WebSocket:
        """Give it as it was when the oldest of its messages that are known had not come."""
        from_client = sum(message.from_client for message in whole.messages)
        from_server = len(whole.messages) - from_client
        socket = WebSocket([], whole.dropped, whole.from_client - from_client, whole.from_server - from_server)
        for message in whole.messages:
            self._push(min(message.at, due), partial(_hear, socket, message))
        return socket


def _hear(socket: WebSocket, message: WebSocketMessage) -> None:
    socket.messages.append(message)
    socket.from_client += message.from_client
    socket.from_server += not message.from_client


def _answer(transaction: Transaction, whole: Transaction) -> None:
    response = whole.response
    transaction.response = Message(head=response.head, first_at=response.first_at, last_at=response.first_at)
    transaction.status = whole.status


def _finish(transaction: Transaction, whole: Transaction, sink: Sink) -> None:
    for field in ("response", "status", "informational", "incomplete", "opaque", "finished", "websocket"):
        setattr(transaction, field, getattr(whole, field))
    sink.transaction_finished(transaction)


def give(record: Record, sink: Sink) -> None:
    """Tell `sink` of one record, a transaction as finished."""
    if isinstance(record, Transaction):
        sink.transaction_finished(record)
    elif isinstance(record, Connection):
        sink.connection_changed(record)
    elif isinstance(record, Process):
        sink.process_seen(record)
    else:
        sink.lost(record)


def _time_of(record: Record) -> int:
    if isinstance(record, Transaction):
        return record.ended_at
    if isinstance(record, Connection):
        return record.closed_at or record.opened_at
    return record.at if isinstance(record, Loss) else 0

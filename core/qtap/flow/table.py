"""The connection table: kernel records in, transactions out. Runs on the reader's thread alone."""

from __future__ import annotations

import mmap
import time
from collections import deque
from collections.abc import Callable

from qtap.capture import records
from qtap.capture.files import Piece
from qtap.capture.records import (
    CLIENT,
    CLOSE,
    DATA,
    ENDS_CHUNKED,
    EOF,
    FILE,
    FROM_START,
    HEADER,
    HELLO,
    IN,
    OUT,
    SERVER,
    SIZE,
    SKIPPED,
    TYPE_AT,
    UNSEEN,
)
from qtap.flow.addresses import Ends, endpoints
from qtap.flow.clock import clock_offset, following
from qtap.flow.conversation import Conversation
from qtap.flow.delivery import Delivery
from qtap.flow.endings import Endings
from qtap.flow.index import Index, Key
from qtap.flow.lifecycle import Lifecycle
from qtap.flow.names import Names
from qtap.flow.reach import EVERYWHERE, Reach, ReachSink
from qtap.flow.reports import Reports
from qtap.flow.sockets import Sockets, Totals, other
from qtap.flow.stall import Stalls
from qtap.model import Connection, Endpoint, Process, Sink
from qtap.model.xid import new_xid

_EARLY_WAIT = 50_000_000
"""Nanoseconds a response waits for its request's record."""
_LOOK_EVERY = 1_000_000_000
"""Nanoseconds between two looks at how much live bodies hold."""
_LARGE_BODY = 1 << 14
_TABLE_LIMIT = 65_536
"""As many connections as the kernel's own table; the oldest goes first."""


class ConnectionTable:
    """Follows every connection by its socket's kernel address, and TLS by process and handle."""

    def __init__(
        self,
        sink: Sink,
        process_of: Callable[[int], Process],
        *,
        body_limit: int,
        live_limit: int = 1 << 30,
        reach: Reach = EVERYWHERE,
        deliver: Callable[[Sink, Reports, Reach], Delivery] = Delivery,
    ) -> None:
        self.sink = sink = ReachSink(sink, reach) if reach else sink
        self.watched: Callable[[int], bool] = lambda _: True
        """Whether anything is told of a process; asked when a connection begins."""
        self.reads: Callable[..., bool] = lambda _pid, *, tls: True  # noqa: ARG005
        """Whether what a process says is read, within TLS or not; likewise."""
        self.mute: Callable[[int, int, int, int], None] = lambda _sk, _pid, _handle, _at: None
        """Asks for no more records of a socket, or of a process's TLS handle (not 0), as a record of that time showed."""
        self._process_of = process_of
        self._limit = body_limit
        self._live_limit = live_limit
        """Bytes of all bodies that are arriving; when there are more, the large ones are cut."""
        self._next_look = 0
        self.offset = clock_offset()
        """Nanoseconds to add to a record's time to get the time since the epoch."""
        self._reports = Reports(sink)
        self.delivery = deliver(sink, self._reports, reach)
        self._sockets = Sockets(self._reports)
        self._stalls = Stalls(body_limit)
        self._index = Index()
        self._table = self._index.table
        self.lifecycle = Lifecycle(sink)
        self._names = Names()
        self._early: deque[tuple[int, Conversation]] = deque()
        self._endings = Endings(self._index, self._stalls, self._sockets, self.delivery, self._reports)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def unfreed(self) -> int:
        """TLS handles that are over without having been freed, so that the kernel keeps them."""
        return self._endings.unfreed

    def take(self, pages: mmap.mmap | bytes, at: int) -> None:  # noqa: C901  the hot path: a call costs 0.1 us
        """Take a record for which `is_for_table` holds; others are the caller's."""
        (
            ts, sk, handle, position, opened, tgid, seq, total, offset, length, local_port, remote_port,
            local, remote, kind, direction, layer, flags, family, _,
        ) = HEADER.unpack_from(pages, at)  # fmt: skip
        now = ts + self.offset
        if kind != DATA:
            self._take_notice(pages, at)
            return
        key: Key = (tgid, handle) if handle else sk
        conversation = self._table.get(key)
        if (
            conversation is None
            or (opened != conversation.born and (not handle or (opened and conversation.born)))
            or conversation.freed
            or (seq == 0 and offset == 0 and conversation.starts_again(direction))
        ):
            if conversation is not None:
                self._endings.displace(key, conversation, now)
            ends = (family, local, local_port, remote, remote_port)
            if not self.reads(tgid, tls=layer != 0):
                speaks_first = CLIENT if direction == OUT else SERVER
                self._leave_unread((sk, tgid, handle, opened, ts), ends, speaks_first if opened and not position else 0, now)
                return
            conversation = self._begin(key, sk, tgid, layer=layer, born=opened, ends=ends, flags=flags)
            conversation.began = ts
        elif conversation.sk != sk and sk:
            conversation.born = opened
            self._sockets.join(sk, opened, conversation.connection, now)
            self._found_socket(key, conversation, sk, endpoints((family, local, local_port, remote, remote_port)))
        if conversation.opaque:
            self.mute(sk, tgid, handle, ts)
            return
        if flags & FILE or (self._stalls and self._stalls.hold_up(conversation, direction)):
            data = pages[at + SIZE : at + SIZE + length]
            self._take_behind(conversation, (direction, position, offset, total, flags, tgid), data, now)
            return
        if length:
            start = at + SIZE
            conversation.data(direction, position + offset, pages[start : start + length], now, boundary=offset == 0)
            if conversation.waiting:
                self._early.append((now + _EARLY_WAIT, conversation))
        if flags > FROM_START:
            self._without_data(conversation, direction, flags, total - offset - length, now)

    def _take_behind(self, conversation: Conversation, fields: tuple[int, ...], data: bytes, now: int) -> None:
        """Take a record whose bytes are in a file, or that comes behind one."""
        direction, position, offset, total, flags, tgid = fields
        if flags & FILE:
            if not self._stalls.piece(conversation, direction, position, Piece.of(data, tgid, total, now)):
                self._without_data(conversation, direction, flags, total, now)
            return

        def act() -> None:
            if data:
                conversation.data(direction, position + offset, data, now, boundary=offset == 0)
            if conversation.waiting:
                self._early.append((now + _EARLY_WAIT, conversation))
            if flags > FROM_START:
                self._without_data(conversation, direction, flags, total - offset - len(data), now)

        self._stalls.behind(conversation, act, len(data), sent=direction == OUT)

    def _leave_unread(self, which: tuple[int, int, int, int, int], ends: Ends, side: int, now: int) -> None:
        """Take that the kernel began to copy what is not wanted, before it heard so: at most the connection is told of."""
        sk, tgid, handle, born, at = which
        if not handle and self.watched(tgid) and self._sockets.adopt(sk, born) is None:
            other(self._sockets.told(sk, born, lambda: self._of_socket(sk, tgid, born, ends), now), side, "")
        self.mute(sk, tgid, handle, at)

    def _take_notice(self, pages: mmap.mmap | bytes, at: int) -> None:
        """Take a record that is about a connection itself."""
        fields = HEADER.unpack_from(pages, at)
        ts, sk, handle, _, born, tgid, _, _, _, length = fields[:10]
        local_port, remote_port, local, remote, kind, direction, layer, flags, family, _ = fields[10:]
        now, data = ts + self.offset, pages[at + SIZE : at + SIZE + length]
        if kind == CLOSE and handle:
            self._endings.handle_freed((tgid, handle), ts, now)
        elif kind == CLOSE:
            self._endings.socket_closed(sk, born, Totals.of(data), ts, now)
        elif self.watched(tgid):
            ends = (family, local, local_port, remote, remote_port)
            connection = self._sockets.told(sk, born, lambda: self._of_socket(sk, tgid, born, ends), now)
            if kind == HELLO:
                self._sockets.hello(sk, connection, direction, data, flags)
            else:
                other(connection, flags, records.LAYERS[layer])

    def counters(self) -> dict[str, int]:
        """Give how many connections were given up since the start, and how many processes were not told of."""
        return {"evicted": self._endings.evicted + self._sockets.evicted, "processes": self.lifecycle.untold}

    def started(self, process: Process) -> None:
        """Tell of a process that began or replaced itself."""
        self.lifecycle.started(process, time.time_ns())

    def answered(self, pid: int, message: bytes, now: int) -> None:
        """Take what a name server answered a process."""
        self._names.answered(self._process_of(pid), message, now)

    def executed(self, pid: int, at: int) -> None:
        """Take that a process runs another program since the kernel's time `at`, which knows nothing of earlier TLS handles."""
        self.delivery.unsought(pid)
        self._endings.executed(pid, at, at + self.offset)

    def exited(self, pid: int, at: int) -> None:
        """Close what a process that ended at the kernel's time `at` leaves behind that has no socket to close."""
        self.lifecycle.exited(pid, at + self.offset)
        self.delivery.exited(pid)
        self._endings.exited(pid, at, at + self.offset)

    def tick(self, now: int = 0) -> None:
        """Do what waits for time to pass; called after every batch, with the time up to which it was taken (0: until now).

        What is still in the ring may be what a connection waits for.
        """
        now = now or time.time_ns()
        self.lifecycle.tick(now)
        self._stalls.tick()
        self._endings.tick(now)
        while self._early and self._early[0][0] <= now:
            self._early.popleft()[1].release()
        self.delivery.tick(now)
        self._sockets.tick(now)
        self._reports.tick(now)
        if (passed := time.monotonic_ns()) >= self._next_look:
            self._next_look = passed + _LOOK_EVERY
            self._bound_live_bodies()
            self.offset = following(self.offset)

    def stop(self) -> None:
        """Finish everything that is still live: capture ends."""
        self.lifecycle.stop()
        self._stalls.stop()
        now = time.time_ns()
        self._endings.stop(now)
        self._sockets.stop(now)
        self.delivery.stop(now)
        self._reports.stop()

    def _bound_live_bodies(self) -> None:
        held = [(conversation.held, conversation) for conversation in self._table.values()]
        if sum(size for size, _ in held) > self._live_limit:
            for size, conversation in held:
                if size > _LARGE_BODY:
                    conversation.keep_no_more()

    def _without_data(self, conversation: Conversation, direction: int, flags: int, rest: int, now: int) -> None:
        if flags & (UNSEEN | SKIPPED) and rest > 0:
            by_design = bool(flags & SKIPPED)
            conversation.unseen(direction, rest, now, by_design=by_design, ends_chunked=bool(flags & ENDS_CHUNKED))
        if flags & EOF:
            conversation.eof(IN, now)

    def _begin(self, key: Key, sk: int, tgid: int, *, layer: int, born: int, ends: Ends, flags: int) -> Conversation:
        connection = self._sockets.adopt(sk, born) if layer else None
        if connection is None:
            connection = self._connection(tgid, born, ends if sk else None)
        elif connection.process.pid != tgid:  # whoever speaks, not who shook hands
            connection.process = self._process_of(tgid)
        connection.tls = layer != 0
        conversation = Conversation(connection, self.delivery, self._limit, sk, from_start=bool(flags & FROM_START))
        conversation.born, conversation.probe = born, records.LAYERS[layer]
        if len(self._table) >= _TABLE_LIMIT:
            self._endings.evict(time.time_ns())
        self._index.add(key, conversation)
        return conversation

    def _connection(self, tgid: int, born: int, ends: Ends | None) -> Connection:
        opened = born + self.offset if born else 0
        local, remote = endpoints(ends) if ends else (Endpoint(), Endpoint())
        process = self._process_of(tgid)
        now = time.time_ns()
        self.lifecycle.seen(process, now)
        name = self._names.of(process, remote.ip, now)
        return Connection(new_xid(opened or now), process, local, remote, looked_up=name, opened_at=opened)

    def _of_socket(self, sk: int, tgid: int, born: int, ends: Ends) -> Connection:
        """Give the connection of a socket of which the kernel tells: its TLS handle's, if that came first."""
        for key in self._index.of_socket(sk):
            conversation = self._table[key]
            if isinstance(key, tuple) and conversation.born == born:
                return conversation.connection
        return self._connection(tgid, born, ends)

    def _found_socket(self, key: Key, conversation: Conversation, sk: int, ends: tuple[Endpoint, Endpoint]) -> None:
        self._index.move(key, conversation, sk)
        connection = conversation.connection
        connection.looked_up = self._names.of(connection.process, ends[1].ip, time.time_ns())
        connection.opened_at = connection.opened_at or (conversation.born and conversation.born + self.offset)
        is_wanted = self.delivery.found(connection, ends)
        if conversation.known_role:
            self._reports.at_once(conversation.connection, time.time_ns())
            if not is_wanted:
                conversation.ignore(time.time_ns())


def is_for_table(pages: mmap.mmap | bytes, at: int) -> bool:
    """Whether the record at `at` is the connection table's to take."""
    kind = pages[at + TYPE_AT]
    return kind <= records.CLOSE or records.HELLO <= kind <= records.OTHER

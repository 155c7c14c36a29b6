"""How conversations end: when, in which order, and what is reported of it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from qtap.capture.records import IN, OUT
from qtap.flow.conversation import Conversation
from qtap.flow.delivery import Delivery
from qtap.flow.index import Index, Key
from qtap.flow.reports import Reports
from qtap.flow.sockets import Sockets, Totals
from qtap.flow.stall import Stalls

_LINGER = 200_000_000
"""Nanoseconds a closed connection waits for bytes that its process reads after the kernel closed it."""
_STALLED = 50_000_000
"""Nanoseconds until a closed connection that waits for a file is looked at again."""


class Endings:
    """Ends what `index` has. `at` is the kernel's time, `now` the same since the epoch, both in nanoseconds."""

    def __init__(self, index: Index, stalls: Stalls, sockets: Sockets, delivery: Delivery, reports: Reports) -> None:
        self.evicted = 0
        """Conversations given up because there were too many."""
        self.unfreed = 0
        """TLS handles that are over without having been freed, so that the kernel keeps them."""
        self._index = index
        self._table = index.table
        self._stalls = stalls
        self._sockets = sockets
        self._delivery = delivery
        self._reports = reports
        self._closing: list[tuple[int, int, Key, Conversation]] = []
        self._order = 0

    def socket_closed(self, sk: int, born: int, totals: Totals, at: int, now: int) -> None:
        """Take that the connection closed which began at `born`. An earlier one at `sk` is over too, though nobody told."""
        found = [(key, self._table[key]) for key in self._index.of_socket(sk)]
        for _, conversation in found:
            if conversation.is_of(born, at):
                conversation.totals = totals
        # Two processors may write their records in another order than they took the time.
        self._closed([key for key, conversation in found if conversation.began <= at or conversation.is_of(born, at)], now)
        self._sockets.closed(sk, born, totals, at, now)

    def handle_freed(self, key: Key, at: int, now: int) -> None:
        """Take that a TLS handle was freed. What comes late may be of the one that was at this address before."""
        conversation = self._table.get(key)
        if conversation is None:
            self.unfreed = max(self.unfreed - 1, 0)
        elif conversation.began <= at:
            self._freed({key}, now)

    def executed(self, pid: int, at: int, now: int) -> None:
        """Take that a process runs another program, which knows nothing of its TLS handles."""
        handles = self._handles_of(pid, at)
        self.unfreed += sum(not self._table[key].freed for key in handles)
        self._freed(handles, now)

    def exited(self, pid: int, at: int, now: int) -> None:
        """Take that a process ended, and what has no socket to close ends with it."""
        self._closed(self._handles_of(pid, at), now)

    def displace(self, key: Key, conversation: Conversation, now: int) -> None:
        """End a conversation whose place another one takes; one that waits for a file goes on waiting elsewhere."""
        if conversation not in self._stalls:
            self._end(key, conversation, now)
            return
        aside = self._index.put_aside(key, conversation)
        conversation.closed_at = conversation.closed_at or now
        self._close_at(now, aside, conversation)

    def evict(self, now: int) -> None:
        """End the oldest conversation."""
        key, conversation = next(iter(self._table.items()))
        self.evicted += 1
        self._end(key, conversation, now, "connection_table_full")

    def tick(self, now: int) -> None:
        """End what was closed long enough ago."""
        while self._closing and self._closing[0][0] <= now:
            _, _, key, conversation = heapq.heappop(self._closing)
            if conversation in self._stalls:
                self._close_at(now + _STALLED, key, conversation)
            elif self._table.get(key) is conversation:
                self.unfreed += isinstance(key, tuple) and key[0] >= 0 and not conversation.freed  # below 0: put aside
                self._end(key, conversation, conversation.closed_at)

    def stop(self, now: int) -> None:
        """End everything: capture ends."""
        for key, conversation in list(self._table.items()):
            closed = conversation.closed_at
            self._end(key, conversation, closed or now, "" if closed else "capture_ended")

    def _handles_of(self, pid: int, at: int) -> list[Key]:
        """Give the TLS handles that a process had at `at`: told of late, it may have others by now."""
        return [key for key in self._index.handles_of(pid) if self._table[key].began <= at]

    def _freed(self, keys: Iterable[Key], now: int) -> None:
        for key in keys:
            self._table[key].freed = True
        self._closed(keys, now)

    def _closed(self, keys: Iterable[Key], now: int) -> None:
        for key in keys:
            conversation = self._table.get(key)
            if conversation is not None and not conversation.closed_at:
                conversation.closed_at = now
                self._close_at(now + _LINGER, key, conversation)

    def _close_at(self, when: int, key: Key, conversation: Conversation) -> None:
        self._order += 1
        heapq.heappush(self._closing, (when, self._order, key, conversation))

    def _end(self, key: Key, conversation: Conversation, at: int, reason: str = "") -> None:
        connection = conversation.connection
        self._stalls.finish(conversation)
        self._delivery.ending(connection)
        if not reason:
            connection.closed_at = conversation.closed_at or at
            conversation.eof(IN, at)
            conversation.eof(OUT, at)
        conversation.end(at, reason or "connection_closed")
        self._delivery.ended(connection)
        self._index.remove(key, conversation)
        self._report_end(conversation, is_open=reason == "capture_ended")

    def _report_end(self, conversation: Conversation, *, is_open: bool) -> None:
        connection = conversation.connection
        if self._sockets.holds(conversation.sk, connection):
            return
        if connection.closed_at:
            conversation.count_up()
            self._reports.last(connection)
        elif not is_open:
            self._reports.forget(connection)

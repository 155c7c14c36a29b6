"""What the list shows: all rows of the log, or those that a filter finds.

Rows are known by their absolute number, which never changes; a position counts from the first row shown. Only new and live
rows are looked at again. A search goes from the newest row back in slices, so that what is on screen is right at once and no
key waits; a filter narrower than one that found little looks only at that. It goes twice: through the index, some milliseconds
for 100 000 rows, and then through the headers of the rows that were not found there, twenty times as long. Where rows are not
as they arrived, what is shown is also in a `Sorting`.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import neg

from qtap.flow.log import TransactionLog
from qtap_tui.index import SHIFT, Index
from qtap_tui.sorted_rows import SortedRows
from qtap_tui.sorting import Key, Sorting
from qtap_tui.words import Word, in_head, matches, narrows

_CHUNK = 512
"""Rows between two looks at the clock: about 0.5 ms."""
_HEADS = 64
"""The same where headers are looked at, and some are hostile."""
_FEW = 4096
"""Hits up to which a narrower filter looks at these only; more are found sooner by the index."""
_LIVE = 4096
_LIVE_SORTED = 512
"""Live rows looked at in one poll, in turn, and where each may move to another place: about 1 ms."""
_POLL = 8_000_000
"""Nanoseconds one poll may take; what is left of a burst comes with the next."""


class View:
    """Rows of `log` that match every one of `words`, in the order of their arrival or by a key; `now` tells the time."""

    def __init__(self, log: TransactionLog, now: Callable[[], int] = lambda: 0) -> None:
        self.log = log
        self.words: tuple[Word, ...] = ()
        self.first = log.first
        """Number of the oldest row held, at the last poll."""
        self.end = log.first
        """One more than the number of the newest row seen."""
        self.paused = False
        self.reverse = False
        """Whether the last row of the order stands first."""
        self._now = now
        self._sorting: Sorting | None = None
        self._left: list[SortedRows] = []
        """Orders that are no longer shown: `search` frees them, since to do so at once takes 20 ms for 100 000 rows."""
        self._stop = self._paused_first = 0
        self._live: dict[int, int] = {}
        self._found: array[int] = array("Q")
        self._older: list[int] = []
        """What a search has found so far, newest first; all of it older than `_found`."""
        self._search: Iterator[list[int]] | None = None
        self._in_headers: Iterator[tuple[int, list[int]]] | None = None
        self._index = Index(log)
        self._late: list[int] = []

    def __len__(self) -> int:
        return self._arrived if self._sorting is None else len(self._sorting.rows)

    @property
    def grows_down(self) -> bool:
        """Whether new rows come at the end: the order is that of arrival."""
        return self._sorting is None and not self.reverse

    @property
    def sorting(self) -> bool:
        """Whether rows are still to be sorted; `search` does it."""
        return self._sorting is not None and self._sorting.busy

    @property
    def searching(self) -> bool:
        """Whether `search` has more to do."""
        return self._search is not None or self._in_headers is not None

    @property
    def searching_headers(self) -> bool:
        """Whether only headers are still to be looked at."""
        return self._search is None and self._in_headers is not None

    @property
    def gone(self) -> int:
        """Rows that the memory limit took during the pause."""
        return max(self.first - self._paused_first, 0) if self.paused else 0

    @property
    def held_back(self) -> int:
        """Rows that arrived during the pause."""
        return self.log.end - self.end if self.paused else 0

    def number(self, position: int) -> int:
        """Give the row number at `position`."""
        if self.reverse:
            position = len(self) - 1 - position
        if self._sorting is not None:
            return self._sorting.rows.number(position)
        if not self.words:
            return self.first + position
        older = len(self._older)
        return self._older[older - 1 - position] if position < older else self._found[position - older]

    def position(self, number: int, instead: int = 0) -> int:
        """Give the position of the row `number`, of one not shown that of the next newer one; sorted by a key, `instead`."""
        at = self._arrival(number) if self._sorting is None else self._sorting.rows.position(number)
        if at is None:
            return instead
        return max(len(self) - 1 - at, 0) if self.reverse else at

    def newer_than(self, number: int) -> int:
        """Count the rows shown, or about to be sorted in, that arrived after the row `number`."""
        return self._arrived - self._arrival(number + 1)

    def sort(self, key: Key | None, *, reverse: bool, keep: int = -1) -> None:
        """Sort by `key`, None for the arrival, in slices that `search` does; the row `keep` is there at once."""
        self.reverse = reverse
        if key is None:
            self._leave_order()
        elif self._sorting is None or key is not self._sorting.key:
            self._sort_anew(key, keep, [*reversed(self._found), *self._older])

    def pause(self, *, paused: bool) -> None:
        """Let no new row in, or let all in again."""
        self.paused = paused
        self._stop, self._paused_first = self.log.end, self.log.first

    def poll(self) -> None:
        """Take new rows in and look again at those that were live."""
        log, deadline = self.log, time.perf_counter_ns() + _POLL
        self.first = log.first
        stop = min(self._stop, log.end) if self.paused else log.end
        self.end = max(self.end, self.first)
        while self.end < stop and time.perf_counter_ns() < deadline:
            self._take(self.end, min(self.end + (_HEADS if self.words else _CHUNK), stop))
        while time.perf_counter_ns() < deadline - _POLL // 2 and self._index.grow():
            pass
        if not self.paused or self._sorting is None:  # their values may move them, and in a pause the list stands still
            self._look_at_live()
        self._forget_evicted()

    def filter(self, words: tuple[Word, ...], keep: int = -1) -> None:
        """Show only rows that fit every one of `words`; none shows everything. The row `keep`, if it fits, is there at once."""
        if words == self.words:
            return
        narrower = self.words and all(any(narrows(old, new) for new in words) for old in self.words)
        in_headers = None
        if narrower and not self.searching and len(self._found) < _FEW:
            search = self._look_among([*reversed(self._found)], words)
        else:
            search = self._look_back(self.first, self.end, words)
            if any(word.head for word in words):
                in_headers = self._look_into_headers(self.first, self.end, words)
        self._found, self._older, self._late = array("Q"), [], []
        self.words = words
        self._search, self._in_headers = (search, in_headers) if words else (None, None)
        if self._sorting is not None:
            self._sort_anew(self._sorting.key, keep, ())

    def search(self, budget: int) -> bool:
        """Go on searching and sorting for `budget` nanoseconds; give whether there is more to do."""
        deadline = time.perf_counter_ns() + budget
        if self._sorting is not None and self._sorting.work(deadline):
            return True
        for found in self._search or ():
            self._older += found
            if self._sort(found, deadline):
                return True
        if self._search:
            self._merge()
        for start, more in self._in_headers or ():
            self._blend(start, more)
            if self._sort(more, deadline):
                return True
        self._in_headers = None
        while self._left and time.perf_counter_ns() < deadline:
            if not self._left[-1].discard():
                self._left.pop()
        return bool(self._left)

    @property
    def _arrived(self) -> int:
        return len(self._older) + len(self._found) if self.words else self.end - self.first

    def _arrival(self, number: int) -> int:
        """Give the position of the row `number` in the order of arrival, or of the next newer one shown."""
        if not self.words:
            return min(max(number, self.first), self.end) - self.first
        if self._older and number <= self._older[0]:
            return len(self._older) - bisect_left(self._older, -number + 1, key=neg)
        return len(self._older) + bisect_left(self._found, number)

    def _sort_anew(self, key: Key, keep: int, found: Sequence[int]) -> None:
        self._leave_order()
        self._sorting, row = Sorting(self.log, key, self._now), self.log.get(keep)
        if row is not None and matches(row, self.words):
            self._sorting.put((keep,))
        self._sorting.offer(found if self.words else range(self.end - 1, self.first - 1, -1))

    def _leave_order(self) -> None:
        if self._sorting is not None:
            self._left.append(self._sorting.rows)
            self._sorting = None

    def _sort(self, numbers: Sequence[int], deadline: int) -> bool:
        """Sort `numbers` in, if there is a key; give whether the time is over."""
        if self._sorting is not None:
            self._sorting.offer(numbers)
            self._sorting.work(deadline)
        return time.perf_counter_ns() > deadline

    def _look_back(self, first: int, end: int, words: tuple[Word, ...]) -> Iterator[list[int]]:
        """Give the hits among the rows of [first, end), a block at a time, newest first."""
        while end > first:
            start = max((end - 1) >> SHIFT << SHIFT, first)
            yield self._index.find(start, end, words)
            end = start

    def _look_into_headers(self, first: int, end: int, words: tuple[Word, ...]) -> Iterator[tuple[int, list[int]]]:
        """Give the further hits among the rows of [first, end), some rows at a time with the oldest of these, newest first."""
        surface, get = tuple(word for word in words if not word.head), self.log.get
        while end > first:
            start = max((end - 1) & -_HEADS, first)
            numbers = self._index.find(start, end, surface) if surface else range(start, end)
            known = {*self._found[bisect_left(self._found, start) : bisect_left(self._found, end)]}
            rows = [(number, row) for number in numbers if number not in known and (row := get(number)) is not None]
            if len(words) == 1:
                yield start, [number for number, row in rows if in_head(words[0], row)]
            else:
                yield start, [number for number, row in rows if matches(row, words)]
            end = start

    def _look_among(self, numbers: list[int], words: tuple[Word, ...]) -> Iterator[list[int]]:
        """Give those of `numbers` that are hits."""
        get = self.log.get
        for at in range(0, len(numbers), _HEADS):
            chunk = numbers[at : at + _HEADS]
            yield [number for number in chunk if (row := get(number)) is not None and matches(row, words)]

    def _take(self, start: int, stop: int) -> None:
        words, before = self.words, len(self._found)
        for number, transaction in self.log.rows(start, stop):
            if not transaction.finished:
                self._live[number] = transaction.status
            if words and matches(transaction, words):
                self._found.append(number)
        if self._sorting is not None:
            self._sorting.put(self._found[before:] if words else range(start, stop))
        self.end = stop

    def _look_at_live(self) -> None:
        """A status or a host may have come late: what did not match may match now. What is shown stays shown."""
        live, get, words = self._live, self.log.get, self.words
        for number in list(islice(live, _LIVE if self._sorting is None else _LIVE_SORTED)):
            status, transaction = live.pop(number), get(number)
            if transaction is None:
                continue
            if not transaction.finished:
                live[number] = transaction.status  # behind the others
            if self._sorting is not None and number in self._sorting.rows:
                self._sorting.put((number,))
            if words and (transaction.finished or transaction.status != status) and matches(transaction, words):
                self._add(number)

    def _add(self, number: int) -> None:
        if self._sorting is not None:
            self._sorting.put((number,))
        if self._search is not None:
            self._late.append(number)
            return
        at = bisect_left(self._found, number)
        if at == len(self._found) or self._found[at] != number:
            self._found.insert(at, number)

    def _blend(self, start: int, more: list[int]) -> None:
        """Take in `more` hits, all within the few rows from `start` on."""
        if more:
            low, high = bisect_left(self._found, start), bisect_left(self._found, start + _HEADS)
            self._found[low:high] = array("Q", sorted({*self._found[low:high], *more}))

    def _merge(self) -> None:
        self._search = None
        self._older.reverse()
        self._found = array("Q", self._older) + self._found
        self._older = []
        late, self._late = self._late, []
        for number in late:
            self._add(number)

    def _forget_evicted(self) -> None:
        while self._older and self._older[-1] < self.first:
            self._older.pop()
        del self._found[: bisect_left(self._found, self.first)]
        if self._sorting is not None:
            self._sorting.rows.drop_before(self.first)

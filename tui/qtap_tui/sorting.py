"""Sorts rows of the log by what one column shows, in slices, so that no key waits: the newest first, as a search finds them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from qtap.flow.log import TransactionLog
from qtap.model import Transaction
from qtap_tui.sorted_rows import SortedRows

Key = Callable[[Transaction, int], Any]
"""Gives what a transaction is sorted by, at a time in nanoseconds; 0 where time stands still."""

_CHUNK = 64
"""Rows between two looks at the clock: about 0.2 ms."""


class Sorting:
    """Rows of `log` by `key`: those that were put here, and soon those that were offered."""

    def __init__(self, log: TransactionLog, key: Key, now: Callable[[], int]) -> None:
        self.key = key
        self.rows = SortedRows(log.first)
        self._log = log
        self._now = now
        self._offered: deque[Iterator[int]] = deque()

    @property
    def busy(self) -> bool:
        """Whether `work` has more to do."""
        return bool(self._offered)

    def put(self, numbers: Iterable[int]) -> None:
        """Let rows stand where they belong now."""
        get, key, put, now = self._log.get, self.key, self.rows.put, self._now()
        for number in numbers:
            row = get(number)
            if row is not None:
                put(number, key(row, now))

    def offer(self, numbers: Sequence[int]) -> None:
        """Sort these too, in their order, when there is time."""
        if numbers:
            self._offered.append(iter(numbers))

    def work(self, deadline: int) -> bool:
        """Sort what was offered until `time.perf_counter_ns` passes `deadline`; give whether there is more to do."""
        while self._offered:
            chunk = list(islice(self._offered[0], _CHUNK))
            self.put(chunk)
            if len(chunk) < _CHUNK:
                self._offered.popleft()
            if time.perf_counter_ns() > deadline:
                break
        return self.busy

"""The transaction log: every transaction in order of arrival, bounded by bytes, oldest dropped first.

One thread writes; any thread may read without a lock. A row has an absolute number that never changes, so a reader keeps
numbers, not positions. Rows live in segments of 1024: a row leaves by its slot becoming None, a segment by leaving the dict.
"""

from __future__ import annotations

from collections.abc import Iterator

from qtap.model import Transaction

_SHIFT = 10
_SEGMENT = 1 << _SHIFT
_MASK = _SEGMENT - 1


class TransactionLog:
    """Transactions `first` to `end` (exclusive) by absolute number; at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        """Bytes held, by `Transaction.cost`; live bodies are charged as they grow."""
        self.first = 0
        self.end = 0
        self.evicted = 0
        """Transactions dropped because `limit` was reached."""
        self._segments: dict[int, list[Transaction | None]] = {}
        self._costs: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self.end - self.first

    def add(self, transaction: Transaction) -> int:
        """Append, drop the oldest rows if needed, and give the row's number."""
        number = self.end
        slot = number & _MASK
        if slot == 0:
            self._segments[number >> _SHIFT] = [None] * _SEGMENT
            self._costs[number >> _SHIFT] = [0] * _SEGMENT
        cost = transaction.cost
        self._segments[number >> _SHIFT][slot] = transaction
        self._costs[number >> _SHIFT][slot] = cost
        self.end = number + 1
        self.used += cost
        self._trim()
        return number

    def settle(self, number: int) -> None:
        """Charge row `number` for what it holds now; called when it grew or finished."""
        costs = self._costs.get(number >> _SHIFT)
        transaction = self.get(number)
        if costs is None or transaction is None:
            return
        cost = transaction.cost
        self.used += cost - costs[number & _MASK]
        costs[number & _MASK] = cost
        self._trim()

    def get(self, number: int) -> Transaction | None:
        """Give row `number`, or None once it was dropped (or never was)."""
        segment = self._segments.get(number >> _SHIFT)
        return segment[number & _MASK] if segment is not None else None

    def rows(self, start: int, stop: int) -> Iterator[tuple[int, Transaction]]:
        """Give (number, transaction) for the rows of [start, stop) that are still held, oldest first."""
        number = max(start, self.first)
        stop = min(stop, self.end)
        while number < stop:
            segment = self._segments.get(number >> _SHIFT)
            last = min(stop, (number | _MASK) + 1)
            if segment is not None:
                for index in range(number, last):
                    transaction = segment[index & _MASK]
                    if transaction is not None:
                        yield index, transaction
            number = last

    def clear(self) -> None:
        """Drop every row; numbers go on from where they were. Called on the writing thread only."""
        while self.first < self.end:
            self._drop()

    def _trim(self) -> None:
        # The newest row always stays: a single one over the limit is still worth showing.
        while self.used > self.limit and self.end - self.first > 1:
            self._drop()
            self.evicted += 1

    def _drop(self) -> None:
        number = self.first
        key, slot = number >> _SHIFT, number & _MASK
        self.first = number + 1
        self.used -= self._costs[key][slot]
        self._segments[key][slot] = None
        if slot == _MASK:
            del self._segments[key], self._costs[key]

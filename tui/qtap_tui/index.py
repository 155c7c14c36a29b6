"""What a filter looks through: the text of each row in lower case, kept in blocks of 1024 rows.

A block is made once its rows are no longer at the end of the log, outside any search; it costs about a hundred bytes a distinct
row, and all of them together at most `limit`. Looking through 100 000 rows takes 4 to 7 ms then, where making each row's text
anew takes sixty. Rows that were live when their block was made, or are very long, are looked at one by one.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import NamedTuple

from qtap.flow.log import TransactionLog
from qtap.model import Transaction

SHIFT = 10
_ROWS = 1 << SHIFT
_LIMIT = 64 << 20
_LONGEST = 4096
"""Characters of a row that is kept; a hostile one of a megabyte is not."""
_POINTER = 8


class _Block(NamedTuple):
    lines: tuple[str, ...]
    alone: tuple[int, ...]
    """Numbers of rows whose line is left empty here."""
    size: int
    """Bytes."""


class Index:
    """The blocks of `log` that were made, newest kept."""

    def __init__(self, log: TransactionLog, limit: int = _LIMIT) -> None:
        self._log = log
        self._limit = limit
        self._blocks: dict[int, _Block] = {}
        self._next = log.first >> SHIFT
        self.used = 0
        """Bytes."""

    def grow(self) -> bool:
        """Make the next block, unless it is still at the end of the log; forget those that left it or are too much."""
        self._next = max(self._next, self._log.first >> SHIFT)
        if self._log.end < (self._next + 2) << SHIFT:
            return False
        block = self._blocks[self._next] = self._make(self._next << SHIFT)
        self._next += 1
        self.used += block.size
        first = self._log.first >> SHIFT
        while self._blocks and ((oldest := next(iter(self._blocks))) < first or self.used > self._limit):
            self.used -= self._blocks.pop(oldest).size
        return True

    def find(self, start: int, stop: int, words: tuple[str, ...]) -> list[int]:
        """Give the numbers of the rows of [start, stop), within one block, in which all `words` occur, newest first."""
        block, get = self._blocks.get(start >> SHIFT), self._log.get
        if block is None:
            rows = range(stop - 1, start - 1, -1)
            return [number for number in rows if (row := get(number)) is not None and matches(row, words)]
        found = [number for number in _hits(block, start & -_ROWS, words) if start <= number < stop]
        alone = [number for number in block.alone if start <= number < stop]
        if alone:
            found += [number for number in alone if (row := get(number)) is not None and matches(row, words)]
            found.sort()
        found.reverse()
        return found

    def _make(self, start: int) -> _Block:
        distinct: dict[str, str] = {}
        lines, alone = [], []
        for number in range(start, start + _ROWS):
            row = self._log.get(number)
            text = line(row) if row is not None and row.finished else ""
            if row is not None and not 0 < len(text) <= _LONGEST:
                alone.append(number)
                text = ""
            lines.append(distinct.setdefault(text, text))
        return _Block(tuple(lines), tuple(alone), sum(map(sys.getsizeof, distinct)) + _POINTER * (_ROWS + len(alone)))


def _hits(block: _Block, first: int, words: tuple[str, ...]) -> list[int]:
    """Give the numbers of the lines of `block`, whose first row is `first`, in which all `words` occur."""
    word, *others = sorted(words, key=len, reverse=True)
    found = [number for number, text in enumerate(block.lines, first) if word in text]
    for other in others:
        found = [number for number in found if other in block.lines[number - first]]
    return found


def line(transaction: Transaction) -> str:
    """Give what a filter sees of a transaction: method, host, target, status, process and pid, in lower case."""
    process = transaction.connection.process
    name = _process(process.exe, process.comm, process.pid)
    return f"{transaction.method} {transaction.host} {transaction.target} {transaction.status or ''} {name}".lower()


def matches(transaction: Transaction, words: tuple[str, ...]) -> bool:
    """Whether each of `words`, in lower case, occurs in the transaction's line."""
    text = line(transaction)
    for word in words:  # noqa: SIM110  a generator would take half as long again
        if word not in text:
            return False
    return True


@lru_cache(maxsize=4096)
def _process(exe: str, comm: str, pid: int) -> str:
    return f"{exe.rpartition('/')[2] or comm} {pid}"

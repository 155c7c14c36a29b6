"""What a filter looks through: the line and the addresses of each row (words.py), kept in blocks of 1024 rows.

A block is made once its rows are no longer at the end of the log, outside any search; it costs about a hundred bytes a distinct
row, and all of them together at most `limit`. Looking through 100 000 rows takes 4 to 7 ms then, where making each row's text
anew takes a hundred. Addresses are kept once a connection. Rows that were live when their block was made, or are very long, are
looked at one by one. Headers are not kept: they would take as much memory again.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import NamedTuple

from qtap.flow.log import TransactionLog
from qtap_tui.words import PARTS, Word, ends, fits_line, in_line, line

SHIFT = 10
_ROWS = 1 << SHIFT
_LIMIT = 64 << 20
_LONGEST = 4096
"""Characters of a row that is kept; a hostile one of a megabyte is not."""
_POINTER = 8


class _Block(NamedTuple):
    lines: tuple[str, ...]
    ends: dict[str, list[int]]
    """Where in the block each pair of addresses occurs, in order."""
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

    def find(self, start: int, stop: int, words: tuple[Word, ...]) -> list[int]:
        """Give the numbers of the rows of [start, stop), within one block, that fit `words` without headers, newest first."""
        block, get = self._blocks.get(start >> SHIFT), self._log.get
        if block is None:
            rows = range(stop - 1, start - 1, -1)
            return [number for number in rows if (row := get(number)) is not None and fits_line(words, row)]
        found = [number for number in _hits(block, start & -_ROWS, words) if start <= number < stop]
        alone = [number for number in block.alone if start <= number < stop]
        if alone:
            found += [number for number in alone if (row := get(number)) is not None and fits_line(words, row)]
            found.sort()
        found.reverse()
        return found

    def _make(self, start: int) -> _Block:
        distinct: dict[str, str] = {}
        lines, alone = [], []
        places: defaultdict[str, list[int]] = defaultdict(list)
        for number in range(start, start + _ROWS):
            row = self._log.get(number)
            text = line(row) if row is not None and row.finished else ""
            if row is not None and not 0 < len(text) <= _LONGEST:
                alone.append(number)
                text = ""
            elif row is not None:
                places[ends(row.connection)].append(number - start)
            lines.append(distinct.setdefault(text, text))
        texts = sum(map(sys.getsizeof, distinct)) + sum(map(sys.getsizeof, places))
        return _Block(tuple(lines), dict(places), tuple(alone), texts + _POINTER * (2 * _ROWS + len(alone)))


def _hits(block: _Block, first: int, words: tuple[Word, ...]) -> list[int]:
    """Give the numbers of the rows of `block`, whose first row is `first`, that fit all `words`, in order."""
    one, *others = sorted(words, key=lambda word: len(word.line), reverse=True)
    found = _fitting(block, first, one)
    for other in others:
        fitting = set(_fitting(block, first, other)) if found else set()
        found = [number for number in found if number in fitting]
    return found


def _fitting(block: _Block, first: int, word: Word) -> list[int]:
    needle, lines = word.line, block.lines
    found = [number for number, text in enumerate(lines, first) if needle in text] if needle else []
    if word.field in PARTS:
        found = [number for number in found if in_line(word, lines[number - first])]
    if word.ends:
        more = [first + at for text, places in block.ends.items() if word.ends in text for at in places]
        if more:
            found = sorted({*found, *more})
    return found

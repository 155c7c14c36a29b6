"""Documents: lines made of spans, wrapped at a width, of which only the visible rows are ever coloured.

A span is a role and a text; the role names a style (palette.py), the text is captured and not yet clean (text.py). A document
of a million rows costs one number a line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Protocol

from qtap_tui.text import may_be_wide

Span = tuple[str, str]
"""A role and a text."""
Line = Sequence[Span]

_LINE_END = re.compile(r"\r\n|\n|\r")
_TAB = "    "


class Document(Protocol):
    """Something that a Lines widget shows."""

    def reflow(self, width: int) -> int:
        """Wrap at `width` cells and give the number of rows."""

    def row(self, index: int) -> Line:
        """Give one row of the last reflow."""


class _Wrapped:
    """Maps rows to (line, start, stop): each line wraps by characters, its later rows are indented by `hang`."""

    def __init__(self, lengths: Sequence[int], wide: frozenset[int], hang: int = 0) -> None:
        self._lengths = lengths
        self._wide = wide
        self._hang = hang
        self._width = 1
        self._ends: list[int] = []

    def reflow(self, width: int) -> int:
        self._width = width = max(width, self._hang + 2)
        later = width - self._hang
        rows = [1 if n <= width else 1 - (width - n) // later for n in self._lengths]
        for line in self._wide:
            first, rest = width // 2, max(later // 2, 1)
            rows[line] = 1 - min(first - self._lengths[line], 0) // rest
        self._ends = list(accumulate(rows))
        return self._ends[-1] if self._ends else 0

    def find(self, row: int) -> tuple[int, int, int]:
        line = bisect_right(self._ends, row)
        piece = row - (self._ends[line - 1] if line else 0)
        first, later = self._width, self._width - self._hang
        if line in self._wide:
            first, later = first // 2, max(later // 2, 1)
        if piece == 0:
            return line, 0, first
        start = first + (piece - 1) * later
        return line, start, start + later


def plain(text: str) -> Line:
    """Give `text` as one span without a colour."""
    return (("text", text),)


class TextDocument:
    """A text, split at line ends; `colour` is asked for visible rows only."""

    def __init__(self, text: str, colour: Callable[[str], Line] = plain) -> None:
        text = text.replace("\t", _TAB)
        self._lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
        if not self._lines[-1]:
            self._lines.pop()
        wide = () if text.isascii() else (i for i, line in enumerate(self._lines) if may_be_wide(line))
        self._wrapped = _Wrapped([len(line) for line in self._lines], frozenset(wide))
        self._colour = colour

    def reflow(self, width: int) -> int:
        """Wrap at `width` cells and give the number of rows."""
        return self._wrapped.reflow(width)

    def row(self, index: int) -> Line:
        """Give one row, coloured."""
        line, start, stop = self._wrapped.find(index)
        return self._colour(self._lines[line][start:stop])


class SpanDocument:
    """Lines coloured beforehand: overview, headers, help."""

    def __init__(self, lines: Sequence[Line], hang: int = 0) -> None:
        self._lines = lines
        texts = ["".join([text for _, text in line]) for line in lines]
        wide = frozenset(i for i, text in enumerate(texts) if may_be_wide(text))
        self._wrapped = _Wrapped([len(text) for text in texts], wide, hang)
        self._hang = hang

    def reflow(self, width: int) -> int:
        """Wrap at `width` cells and give the number of rows."""
        return self._wrapped.reflow(width)

    def row(self, index: int) -> Line:
        """Give one row."""
        line, start, stop = self._wrapped.find(index)
        spans = [("text", " " * self._hang)] if start and self._hang else []
        at = 0
        for role, text in self._lines[line]:
            piece = text[max(start - at, 0) : max(stop - at, 0)]
            if piece:
                spans.append((role, piece))
            at += len(text)
        return spans


class ChainDocument:
    """Documents one below the other."""

    def __init__(self, parts: Sequence[Document]) -> None:
        self._parts = parts
        self._ends: list[int] = []

    def reflow(self, width: int) -> int:
        """Wrap at `width` cells and give the number of rows."""
        self._ends = list(accumulate(part.reflow(width) for part in self._parts))
        return self._ends[-1] if self._ends else 0

    def row(self, index: int) -> Line:
        """Give one row."""
        part = bisect_right(self._ends, index)
        return self._parts[part].row(index - (self._ends[part - 1] if part else 0))

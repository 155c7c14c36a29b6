"""How the list stands: its columns, the one that is marked for the keys, and the one that rows are sorted by."""

from __future__ import annotations

from qtap_tui.columns import COLUMNS
from qtap_tui.document import Span
from qtap_tui.layout import Layout
from qtap_tui.sorting import Key
from qtap_tui.text import fit

UP, DOWN = "▲", "▼"
"""The least, or the greatest, stands first."""


class Arrangement:
    """What the user did with the columns; without anything, rows stand as they arrived."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.marked = ""
        """Name of the column that keys are about; empty until one is."""
        self.sorted_by = ""
        """Name of a column, empty for the order of arrival."""
        self.reverse = False
        """Whether the greatest stands first."""

    @property
    def key(self) -> Key | None:
        """What rows are sorted by; None for their arrival."""
        return COLUMNS[self.sorted_by].key if self.sorted_by else None

    @property
    def order(self) -> str:
        """Name the order, for example `took ▼`; empty for that of arrival."""
        return f"{COLUMNS[self.sorted_by].title or self.sorted_by} {self._arrow}" if self.sorted_by else ""

    def mark(self, steps: int, width: int) -> None:
        """Mark a column further right or left among those that `width` cells show; from none, the first or the last."""
        names = [name for name, _ in self.layout.fitted(width)]
        at = names.index(self.marked) if self.marked in names else -1 if steps > 0 else len(names)
        self.marked = names[max(0, min(at + steps, len(names) - 1))]

    def sort(self, name: str) -> None:
        """Sort by a column; once more, the other way round; then as they arrived."""
        first = COLUMNS[name].greatest_first
        if self.sorted_by != name:
            self.sorted_by, self.reverse = name, first
        elif self.reverse == first:
            self.reverse = not first
        else:
            self.sorted_by, self.reverse = "", False
        if self.key is None and not self.reverse:
            self.sorted_by = ""

    def chosen(self, width: int) -> str:
        """Give the marked column; where none is that `width` cells show, mark the last."""
        if all(name != self.marked for name, _ in self.layout.fitted(width)):
            self.mark(-1, width)
        return self.marked

    def resize(self, cells: int, width: int) -> bool:
        """Make the marked column wider by `cells`, or narrower, within `width`; give whether it is."""
        before, self.layout = self.layout, self.layout.resize(self.chosen(width), cells, width)
        return self.layout is not before

    def heading(self, width: int) -> list[tuple[Span, str]]:
        """Give the titles above the columns, each with its column's name; an arrow tells the order."""
        titles = []
        for name, cells in self.layout.fitted(width):
            column = COLUMNS[name]
            text = fit(column.title, cells, right=column.right)
            if name == self.sorted_by:
                text = fit(fit(column.title, min(len(column.title), cells - 1)) + self._arrow, cells, right=column.right)
            role = "tab" if name == self.marked else "title" if name == self.sorted_by else "label"
            titles += [((role, text), name), (("label", " "), "")]
        return titles

    @property
    def _arrow(self) -> str:
        return DOWN if self.reverse else UP

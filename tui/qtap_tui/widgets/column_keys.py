"""Lines in columns: keys mark a column, sort by it, and make it wider or narrower."""

from __future__ import annotations

from textual.message import Message

from qtap_tui.arrangement import Arrangement
from qtap_tui.view import View
from qtap_tui.widgets.lines import Lines


class ColumnKeys(Lines):
    """Shows `view` as `arrangement` says."""

    cursor = -1
    """Number of the row under the cursor; -1 while there is none."""

    class Marked(Message):
        """Another column is marked."""

    class Sorted(Message):
        """The view has rows to sort, or another order."""

    class Resized(Message):
        """A column has another width."""

    class Choose(Message):
        """The user wants other columns."""

    def __init__(self, view: View, arrangement: Arrangement, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.view = view
        self.arrangement = arrangement

    def sort(self, name: str) -> None:
        """Sort by a column, the other way round, or as rows arrived; the row under the cursor stays there."""
        arrangement = self.arrangement
        arrangement.sort(name)
        self.view.sort(arrangement.key, reverse=arrangement.reverse, keep=self.cursor)
        self.post_message(self.Sorted())

    def arranged(self) -> None:
        """Show what the arrangement says now."""
        self.refresh()

    def action_mark(self, steps: int) -> None:
        """Mark a column further right or left."""
        self.arrangement.mark(steps, self._room)
        self.post_message(self.Marked())

    def action_sort(self) -> None:
        """Sort by the marked column."""
        self.sort(self.arrangement.chosen(self._room))

    def action_resize(self, cells: int) -> None:
        """Make the marked column wider or narrower."""
        if self.arrangement.resize(cells, self._room):
            self.arranged()
            self.post_message(self.Resized())

    def action_columns(self) -> None:
        """Choose columns."""
        self.post_message(self.Choose())

    @property
    def _room(self) -> int:
        """Cells for the columns: all but the cursor's and the scroll bar's."""
        return self.size.width - 2

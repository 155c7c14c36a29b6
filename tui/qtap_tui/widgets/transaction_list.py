"""The list of transactions.

It looks at its view at every tick and compares what each visible line should show with what it shows: only lines that differ
are painted. Where the list stands is remembered by row number, so rows that leave or arrive elsewhere never move what is read:
by the row at the top where rows stand as they arrived, by the one under the cursor where they are sorted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from qtap.model import Transaction
from qtap_tui import columns
from qtap_tui.actions import bindings
from qtap_tui.arrangement import Arrangement
from qtap_tui.view import View
from qtap_tui.widgets.column_keys import ColumnKeys

_CURSOR, _NO_CURSOR = ("accent", "▌"), ("text", " ")
_PEER_DISTANCE = 4096
"""Rows around a transaction among which its other end is looked for."""
Shown = tuple[object, ...]
"""Everything that a line's looks depend on."""


class TransactionList(ColumnKeys):
    """The rows of `view`, with a cursor.

    It follows until the user moves: the newest row at the end, or, where new rows do not come there, the top of the order.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")

    class Opened(Message):
        """A row was clicked twice."""

    class Moved(Message):
        """The cursor stands on another row."""

    def __init__(
        self,
        view: View,
        now: Callable[[], int],
        arrangement: Arrangement,
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
    ) -> None:
        super().__init__(view, arrangement, id=id)
        self.following = True
        self._empty_text = ""
        self._now = now
        self._anchor = self._anchor_line = self._cursor_at = 0
        self._seen = 0
        self._shown: list[Shown] = []
        self._strips: dict[Shown, Strip] = {}

    @property
    def line_count(self) -> int:
        """Rows of the view."""
        return len(self.view)

    @property
    def new_rows(self) -> int:
        """Rows that arrived since the list stopped following."""
        if self.following and not self.view.paused:
            return 0
        seen = 0 if self.following else self.view.newer_than(self._seen)
        return seen + self.view.held_back

    @property
    def selected(self) -> Transaction | None:
        """The transaction under the cursor, unless it left the log."""
        return self.view.log.get(self.cursor) if self.cursor >= 0 else None

    def say(self, text: str) -> None:
        """Say `text` while there is no row."""
        if text != self._empty_text:
            self._empty_text = text
            if not self._shown:
                self.refresh()

    def follow(self, *, following: bool) -> None:
        """Begin or stop following the newest row."""
        self.following = following
        self._seen = self.view.end - 1
        self.sync()

    def sync(self) -> None:
        """Look at the view again and repaint the lines that differ."""
        count, view = len(self.view), self.view
        if self.following:
            self.top = self.last_top if view.grows_down else 0
            self._cursor_at = max(count - 1, 0) if view.grows_down else 0
            self.cursor = view.number(self._cursor_at) if count else -1
        else:
            top = view.position(self._anchor, self.top + self._anchor_line) - self._anchor_line
            self.top = max(0, min(top, self.last_top))
            self._keep_cursor(count)
        if not self.view.sorting:
            self._drop_anchor()
        before, self._shown = self._shown, self._look(count)
        self._refresh_changed(before)

    def sort(self, name: str) -> None:
        """Sort; the row under the cursor stays on its line, as far as that is possible."""
        line = self._cursor_at - self.top
        super().sort(name)
        if not self.following and self.cursor >= 0:
            self._cursor_at = self.view.position(self.cursor)
            self._anchor, self._anchor_line = self.cursor, max(0, min(line, self.height - 1))

    def arranged(self) -> None:
        """Show what the arrangement says now."""
        self._strips.clear()
        super().arranged()

    def go(self, position: int) -> None:
        """Put the cursor on the row at `position`, as far as there are rows, and show it."""
        count = len(self.view)
        if not count:
            return
        self._cursor_at = position = max(0, min(position, count - 1))
        self.cursor = self.view.number(position)
        self._show(position)
        self._leave_tail()
        self.post_message(self.Moved())

    def show_cursor(self) -> None:
        """Scroll until the row under the cursor is on the screen, whatever rows came back before it."""
        if self.cursor >= 0 and not self.following:
            self._show(self.view.position(self.cursor, self._cursor_at))
            self._drop_anchor()
            self.sync()

    def _show(self, position: int) -> None:
        self.top = max(min(self.top, position), position - max(self.height, 1) + 1, 0)  # hidden, it has no height

    def line(self, y: int, width: int, edge: Segment) -> Strip:
        """Paint one row."""
        if y >= len(self._shown):
            return self._paint_empty(y, width, edge)
        key = (*self._shown[y], width)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) > 4 * self._cells.height:
                self._strips.clear()
            strip = self._strips[key] = self._paint_row(y, width, edge)
        return strip

    def scroll_lines(self, top: int) -> None:
        """Scroll without the cursor; up stops following, to the end does not begin it."""
        top = max(0, min(top, self.last_top))
        if top != self.top:
            self.top = top
            self._leave_tail()

    def notify_style_update(self) -> None:
        """Textual says that the theme or a style changed."""
        self._strips.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Show more or fewer rows."""
        self.sync()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; open at the second click."""
        if event.x < self.size.width - 1 and event.y < len(self._shown):
            self.go(self.top + event.y)
            if event.chain > 1:
                self.post_message(self.Opened())

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.go(self.view.position(self.cursor, self._cursor_at) + lines)

    def action_first(self) -> None:
        """Go to the first row; where new rows may come before it, follow."""
        if self.view.grows_down:
            self.go(0)
        else:
            self.follow(following=True)

    def action_last(self) -> None:
        """Go to the last row; where new rows come behind it, follow."""
        if self.view.grows_down:
            self.follow(following=True)
        else:
            self.go(len(self.view) - 1)

    def peer_of(self, transaction: Transaction) -> Transaction | None:
        """Give the other end of `transaction`, on which the cursor stands, if it is still held."""
        if not transaction.peer:
            return None
        near = max(self.cursor, 0)
        rows = self.view.log.rows(near - _PEER_DISTANCE, near + _PEER_DISTANCE)
        return next((other for _, other in rows if other.id == transaction.peer), None)

    def stay(self) -> Transaction | None:
        """Stay at the row under the cursor; give its transaction."""
        if self.selected is not None:
            self._leave_tail()
        return self.selected

    def _leave_tail(self) -> None:
        if self.following:
            self.following = False
            self._seen = self.view.end - 1
        self._drop_anchor()
        self.sync()

    def _drop_anchor(self) -> None:
        """Remember by one row where the list stands: where rows are sorted by the one under the cursor, if it is seen."""
        if not len(self.view):
            return
        line = self._cursor_at - self.top
        self._anchor_line = 0 if self.view.grows_down or not 0 <= line < self.height else line
        self._anchor = self.view.number(min(self.top + self._anchor_line, len(self.view) - 1))

    def _keep_cursor(self, count: int) -> None:
        """Let the cursor stay on its row, or go to the next one when that left the view."""
        if not count:
            self.cursor = -1
            return
        self._cursor_at = min(self.view.position(self.cursor, self._cursor_at), count - 1)
        self.cursor = self.view.number(self._cursor_at)

    def _look(self, count: int) -> list[Shown]:
        now, get, thumb = self._now(), self.view.log.get, self.thumb()
        shown: list[Shown] = []
        for y in range(min(self.height, count - self.top)):
            number = self.view.number(self.top + y)
            transaction = get(number)
            looks = _looks(transaction, now) if transaction is not None else ()
            shown.append((number, number == self.cursor, y in thumb, *looks))
        return shown

    def _refresh_changed(self, before: list[Shown]) -> None:
        after = self._shown
        if len(before) != len(after):
            self.refresh()
            return
        regions = [Region(0, y, self.size.width, 1) for y, shown in enumerate(after) if shown != before[y]]
        if len(regions) > self.height // 2:
            self.refresh()
        elif regions:
            self.refresh(*regions)

    def _paint_row(self, y: int, width: int, edge: Segment) -> Strip:
        number, under_cursor, *_ = self._shown[y]
        assert isinstance(number, int)
        transaction = self.view.log.get(number)
        ground = "cursor" if under_cursor else "background"
        if transaction is None:
            return self.paint([("dim", "  no longer in memory")], width, ground, edge)
        cells = columns.row(transaction, self.arrangement.layout.fitted(width - 1), self._now())
        return self.paint([_CURSOR if under_cursor else _NO_CURSOR, *cells], width, ground, edge)

    def _paint_empty(self, y: int, width: int, edge: Segment) -> Strip:
        text = self._empty_text if y == 1 and not self._shown else ""
        return self.paint([("dim", f"  {text}")], width, edge=edge)


def _looks(transaction: Transaction, now: int) -> Shown:
    request, response = transaction.request, transaction.response
    return (
        transaction.status,
        transaction.finished,
        transaction.incomplete,
        transaction.peer,
        transaction.host,
        request.wire_size,
        response.wire_size,
        request.last_at,
        response.last_at,
        columns.waited(transaction, now),
    )

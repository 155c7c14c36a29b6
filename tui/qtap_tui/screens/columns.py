"""Which columns the list shows, and in which order: a line for each, the shown ones first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip

from qtap_tui.actions import BY_ID, bindings, key_name
from qtap_tui.columns import COLUMNS
from qtap_tui.document import Span
from qtap_tui.layout import Layout
from qtap_tui.widgets.bars import Bar
from qtap_tui.widgets.lines import Lines

_NAME = 12
_OTHERS = 6
"""Lines above and below the columns."""
_KEYS = {
    "columns.switch": "show",
    "columns.later": "down",
    "columns.earlier": "up",
    "columns.automatic": "automatic",
    "columns.keep": "keep",
    "columns.leave": "leave",
}


class ColumnLines(Lines, inherit_bindings=False):
    """The columns, with a cursor; the screen has the keys."""

    can_focus = False

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        self.automatic = not layout.chosen
        self.shown = {name for name, _ in layout.fitted(width)} if self.automatic else {*layout.chosen}
        self.names = _with_others(layout.chosen)
        self.cursor = 0

    @property
    def line_count(self) -> int:
        """All columns."""
        return len(self.names)

    def line(self, y: int, width: int, edge: Segment) -> Strip:
        """Paint one column's line."""
        index, whole = self.top + y, self.line_count <= self.height
        if index >= len(self.names):
            return self.paint((), width + 1, "bar")
        name, under_cursor = self.names[index], index == self.cursor
        sign = ("accent", "▌") if under_cursor else ("text", " ")
        box = ("key", "[x] ") if name in self.shown else ("dim", "[ ] ")
        spans = (sign, box, ("text", name.ljust(_NAME)), ("dim", COLUMNS[name].says))
        ground = "cursor" if under_cursor else "bar"
        return self.paint(spans, width + 1, ground) if whole else self.paint(spans, width, ground, edge)

    def move(self, to: int) -> None:
        """Put the cursor on a line, and show it."""
        self.cursor = max(0, min(to, len(self.names) - 1))
        self.top = max(min(self.top, self.cursor), self.cursor - self.height + 1, 0)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Show the clicked column, or leave it out."""
        event.stop()
        if self.top + event.y < len(self.names):
            self.move(self.top + event.y)
            self.switch()

    def switch(self) -> None:
        """Show the column under the cursor, or leave it out; the last one stays."""
        name = self.names[self.cursor]
        if self.shown != {name}:
            self.shown ^= {name}
            self.automatic = False
            self.refresh()

    def shift(self, lines: int) -> None:
        """Let the column under the cursor change places with another."""
        to = max(0, min(self.cursor + lines, len(self.names) - 1))
        self.names.insert(to, self.names.pop(self.cursor))
        self.automatic = False
        self.move(to)


def _with_others(chosen: Sequence[str]) -> list[str]:
    """Give all columns, those that are not chosen behind the ones that they usually follow."""
    names, before = list(chosen), ""
    for name in COLUMNS:
        if name not in chosen:
            names.insert(names.index(before) + 1 if before else 0, name)
        before = name
    return names


class ColumnsScreen(ModalScreen[Layout]):
    """Asks; gives another layout, or None where nothing is to change. `width` is that of the list."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")
    DEFAULT_CSS = f"""
    ColumnsScreen {{ align: center middle; }}
    #columns {{ width: 66; max-width: 100%; height: {len(COLUMNS) + _OTHERS}; max-height: 100%; }}
    #columns {{ padding: 1 2; background: $panel; }}
    """

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        self._layout = layout
        self._width = width
        self._lines = ColumnLines(layout, width - 2)
        self._title = Bar()

    def compose(self) -> ComposeResult:
        """A line a column, between what this is and how it is left."""
        keys = Bar()
        keys.show([(role, text) for action in _KEYS for role, text in self._key(action)])
        self._tell()
        with Vertical(id="columns"):
            yield self._title
            yield Bar()
            yield self._lines
            yield Bar()
            yield keys

    def action_cursor(self, lines: int) -> None:
        """Move the cursor; from the last line it goes to the first."""
        self._lines.move((self._lines.cursor + lines) % len(COLUMNS))

    def action_switch(self) -> None:
        """Show a column, or not."""
        self._lines.switch()
        self._tell()

    def action_shift(self, lines: int) -> None:
        """Move a column."""
        self._lines.shift(lines)
        self._tell()

    def action_automatic(self) -> None:
        """Show what there is room for."""
        self.dismiss(Layout())

    def action_keep(self) -> None:
        """Take what was chosen."""
        lines = self._lines
        self.dismiss(None if lines.automatic else self._layout.choose([name for name in lines.names if name in lines.shown]))

    def _key(self, action: str) -> tuple[Span, Span]:
        keys = self.app._keymap.get(action, BY_ID[action].keys)  # noqa: SLF001 - Textual is pinned
        return ("key", f" {key_name(keys.partition(',')[0])}"), ("dim", f" {_KEYS[action]} ")

    def _tell(self) -> None:
        what = "as many as there is room for" if self._lines.automatic else "chosen; where there is no room, fewer"
        self._title.show((("title", " Columns"), ("dim", f"   {what}")))

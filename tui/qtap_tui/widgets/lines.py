"""A widget over any number of lines, of which it makes only those that are seen.

It keeps its own position and paints its own scroll bar, so growth never costs a layout: Textual lays a whole screen out again
when a scroll view's virtual size changes.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.strip import Strip

from qtap_tui.actions import bindings
from qtap_tui.widgets.painted import Painted

_WHEEL = 3
"""Lines that one step of the mouse wheel moves."""


class Lines(Painted, can_focus=True):
    """Shows lines `top` to `top + height`; a subclass says how many there are and paints one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("lines")
    DEFAULT_CSS = "Lines { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.top = 0
        self._dragging = False
        self._thumb = range(0)
        self._edges = (Segment(""), Segment(""))

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, y: int, width: int, edge: Segment) -> Strip:
        """Paint what is `y` lines below `top`, `width` cells wide, and `edge` behind it: its cell of the scroll bar."""
        raise NotImplementedError

    @property
    def height(self) -> int:
        """Lines that are seen at once."""
        return self.size.height

    @property
    def last_top(self) -> int:
        """The greatest useful `top`."""
        return max(self.line_count - max(self.height, 1), 0)  # hidden, it has no height

    def scroll_lines(self, top: int) -> None:
        """Let line `top` be the first that is seen, as far as there are lines."""
        top = max(0, min(top, self.last_top))
        if top != self.top:
            self.top = top
            self.refresh()

    def thumb(self) -> range:
        """Give the lines of the widget that the scroll bar's thumb covers; none when everything is seen."""
        height, count = self.height, self.line_count
        if count <= height or not height:
            return range(0)
        size = max(height * height // count, 1)
        at = round(min(self.top, self.last_top) / self.last_top * (height - size))
        return range(at, at + size)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Look once where the scroll bar's thumb is, then give the lines."""
        styles = self.palette.on("background")
        self._thumb = self.thumb()
        self._edges = (Segment(" ", styles["text"]), Segment("┃", styles["dim"]))
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Paint one line and its cell of the scroll bar."""
        return self.line(y, self._cells.width - 1, self._edges[y in self._thumb])

    def action_move(self, lines: int) -> None:
        """Move by lines."""
        self.scroll_lines(self.top + lines)

    def action_page(self, pages: int) -> None:
        """Move by pages, which overlap by a line."""
        self.action_move(pages * max(self.height - 1, 1))

    def action_half(self, pages: int) -> None:
        """Move by half pages."""
        self.action_move(pages * max(self.height // 2, 1))

    def action_first(self) -> None:
        """Go to the first line."""
        self.scroll_lines(0)

    def action_last(self) -> None:
        """Go to the last line."""
        self.scroll_lines(self.last_top)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll by the wheel."""
        event.stop()
        self.scroll_lines(self.top + _WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll by the wheel."""
        event.stop()
        self.scroll_lines(self.top - _WHEEL)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scroll bar."""
        if event.x >= self.size.width - 1 and self.thumb():
            self._dragging = True
            self.capture_mouse()
            self._drag(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Pull the scroll bar."""
        if self._dragging:
            self._drag(event.y)

    def on_mouse_up(self, _event: events.MouseUp) -> None:
        """Let go of the scroll bar."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag(self, y: int) -> None:
        self.scroll_lines(round(y / max(self.height - 1, 1) * self.last_top))

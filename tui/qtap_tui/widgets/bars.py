"""Bars of one line: headings, tabs, footer."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import RenderResult
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from qtap_tui.actions import BY_ID, Action, key_name
from qtap_tui.arrangement import Arrangement
from qtap_tui.document import Line
from qtap_tui.widgets.painted import Painted


class Bar(Painted):
    """One line of spans on the bar's ground; painted again only when they differ."""

    DEFAULT_CSS = "Bar { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._spans: Line = ()

    def show(self, spans: Line) -> None:
        """Show `spans`."""
        if spans != self._spans:
            self._spans = spans
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: lines are painted by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint the line."""
        return self.paint(self._spans, self._cells.width, "bar")


class ListHeading(Bar):
    """The titles above the list's columns, with the order of the rows and the marked column; a click sorts."""

    class Clicked(Message):
        """A title was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, arrangement: Arrangement, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._arrangement = arrangement

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint the titles; the cells left and right of them are the cursor's and the scroll bar's."""
        styles, width = self.palette.on("bar"), self._cells.width
        titles = [(styles[role], text, name) for (role, text), name in self._arrangement.heading(width - 2)]
        return self.paint_clickable([(styles["text"], " ", ""), *titles], width)

    def on_click(self, event: events.Click) -> None:
        """Sort by the column under the mouse."""
        name = event.style.meta.get("target")
        if name:
            self.post_message(self.Clicked(name))


class TabBar(Bar):
    """The names of tabs, the current one marked; a click chooses."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, names: tuple[str, ...], *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._names = names
        self.current = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The tabs there are."""
        return self._names

    def offer(self, names: tuple[str, ...]) -> None:
        """Show these tabs; the current one stays if it is among them."""
        if names != self._names:
            current = self._names[self.current]
            self.current = names.index(current) if current in names else 0
            self._names = names
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint the names."""
        styles = self.palette.on("bar")
        tabs = [
            (styles["tab"] if index == self.current else styles["label"], f" {name} ", name)
            for index, name in enumerate(self._names)
        ]
        return self.paint_clickable(tabs, self._cells.width)

    def on_click(self, event: events.Click) -> None:
        """Choose the tab under the mouse."""
        name = event.style.meta.get("target")
        if name in self._names:
            self.post_message(self.Chosen(self._names.index(name)))


class KeyFooter(Bar):
    """The keys that matter now, as the registry and the user's keymap say; a click does what the key does."""

    def __init__(self, title_of: Callable[[Action], str], *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._title_of = title_of

    def on_mount(self) -> None:
        """Look again whenever the keys that apply change."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint the keys."""
        styles = self.palette.on("bar")
        parts = [(styles["text"], " ", "")]
        seen: set[str | None] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            action = BY_ID.get(binding.id or "")
            if action is None or not binding.show or binding.id in seen:
                continue
            seen.add(binding.id)
            parts += [
                (styles["key"], key_name(binding.key), binding.key),
                (styles["dim"], f" {self._title_of(action)}  ", binding.key),
            ]
        return self.paint_clickable(parts, self._cells.width)

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does."""
        key = event.style.meta.get("target")
        if key:
            self.app.simulate_key(key)

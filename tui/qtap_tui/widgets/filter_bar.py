"""The filter bar: bare words, applied as they are typed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from qtap_tui.actions import bindings
from qtap_tui.widgets.bars import Bar


class Words(Input):
    """The input."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("filter")

    class Left(Message):
        """The user goes back to the list; the filter stays."""

    class Dropped(Message):
        """The user wants no filter."""

    def action_keep(self) -> None:
        """Keep the filter."""
        self.post_message(self.Left())

    def action_drop(self) -> None:
        """Clear the filter."""
        self.post_message(self.Dropped())


class FilterBar(Horizontal):
    """An input after a slash."""

    DEFAULT_CSS = """
    FilterBar { height: 1; }
    FilterBar Bar { width: 3; }
    FilterBar Words, FilterBar Words:focus { height: 1; border: none; padding: 0; width: 1fr; background: $panel; }
    """

    class Changed(Message):
        """The words changed."""

        def __init__(self, words: tuple[str, ...]) -> None:
            super().__init__()
            self.words = words

    def compose(self) -> ComposeResult:
        """A slash and an input."""
        bar = Bar()
        bar.show((("text", " "), ("key", "/ ")))
        yield bar
        yield Words(placeholder="words in method, host, path, status, process or pid", compact=True, select_on_focus=False)

    def take_focus(self) -> None:
        """Let the user type."""
        self.query_one(Words).focus()

    def empty(self) -> None:
        """Forget the words."""
        self.query_one(Words).clear()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply at once."""
        event.stop()
        self.post_message(self.Changed(tuple(event.value.lower().split())))

"""The filter bar: words, applied as they are typed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from qtap_tui.actions import bindings
from qtap_tui.widgets.bars import Bar
from qtap_tui.words import Word, parse

PLACEHOLDER = "words in all but bodies: nginx  :8443  5xx  status:404  host:api"


class Words(Input):
    """The input."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("filter")

    async def _on_key(self, event: events.Key) -> None:
        """Take a key as text or obey it, at once and in order; one typed behind the key that left is for the list."""
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if self.screen.focused is not self:
            self.app.post_message(events.Key(event.key, event.character))
        elif active is not None:
            await self.app.run_action(active.binding.action, active.node)
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()


class FilterBar(Horizontal):
    """An input after a slash."""

    DEFAULT_CSS = """
    FilterBar { height: 1; }
    FilterBar Bar { width: 3; }
    FilterBar Words, FilterBar Words:focus { height: 1; border: none; padding: 0; width: 1fr; background: $panel; }
    """

    class Changed(Message):
        """The words changed."""

        def __init__(self, words: tuple[Word, ...]) -> None:
            super().__init__()
            self.words = words

    def compose(self) -> ComposeResult:
        """A slash and an input."""
        bar = Bar()
        bar.show((("text", " "), ("key", "/ ")))
        yield bar
        yield Words(placeholder=PLACEHOLDER, compact=True, select_on_focus=False)

    @property
    def words(self) -> Words:
        """The input."""
        return self.query_one(Words)

    def on_mount(self) -> None:
        """Wait for the first `/`."""
        self.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply at once."""
        event.stop()
        self.post_message(self.Changed(parse(event.value)))

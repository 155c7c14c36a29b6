"""What of a request to copy, through OSC 52, or to save: a menu, and a key for each; lower case copies, capital saves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip

from qtap.model import Transaction
from qtap_tui import formats
from qtap_tui.actions import ACTIONS, Action, bindings, key_name
from qtap_tui.piece import CannotCopyError, Kind, as_text, piece, save
from qtap_tui.widgets.bars import Bar

_KEYS = 4
_CHOICES = tuple(action for action in ACTIONS if action.method.startswith(("copy('", "save('")))


class Choice(Bar):
    """One line of the menu; a click does it."""

    class Clicked(Message):
        """The line was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, index: int, action: Action, keys: str) -> None:
        super().__init__()
        self._index = index
        self._spans = (("key", key_name(keys.partition(",")[0]).ljust(_KEYS)), ("text", action.help))
        self.under_cursor = False

    def mark(self, *, under_cursor: bool) -> None:
        """Let the cursor stand here, or no longer."""
        if under_cursor != self.under_cursor:
            self.under_cursor = under_cursor
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one line
        """Paint the line, on the cursor's ground where that stands."""
        sign = ("accent", "▌") if self.under_cursor else ("text", " ")
        return self.paint((sign, *self._spans), self._cells.width, "cursor" if self.under_cursor else "bar")

    def on_click(self, event: events.Click) -> None:
        """Do it."""
        event.stop()
        self.post_message(self.Clicked(self._index))


class CopyScreen(ModalScreen[None]):
    """Asks what of `transaction`; does it, says so, and goes."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("copy")
    DEFAULT_CSS = """
    CopyScreen { align: center middle; }
    #choices { width: 64; max-width: 100%; height: auto; padding: 1 2; background: $panel; }
    """

    def __init__(self, transaction: Transaction, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._transaction = transaction
        self._choices = [Choice(index, action, keymap.get(action.id, action.keys)) for index, action in enumerate(_CHOICES)]
        self._cursor = 0
        self._choices[0].mark(under_cursor=True)

    def compose(self) -> ComposeResult:
        """A line an action, between what the menu does and how it is left."""
        title, leave = Bar(), Bar()
        title.show((("title", " Copy"), ("dim", "   by OSC 52; if your terminal ignores that, save")))
        leave.show((("dim", " Enter or the letter does it, Esc closes"),))
        with Vertical(id="choices"):
            yield title
            yield Bar()
            yield from self._choices
            yield Bar()
            yield leave

    def action_cursor(self, lines: int) -> None:
        """Move the cursor; from the last line it goes to the first."""
        self._choices[self._cursor].mark(under_cursor=False)
        self._cursor = (self._cursor + lines) % len(self._choices)
        self._choices[self._cursor].mark(under_cursor=True)

    async def action_choose(self) -> None:
        """Do what the cursor stands on."""
        await self.app.run_action(_CHOICES[self._cursor].method, self)

    async def on_choice_clicked(self, event: Choice.Clicked) -> None:
        """Do what was clicked."""
        await self.app.run_action(_CHOICES[event.index].method, self)

    def action_copy(self, kind: Kind) -> None:
        """Send a piece to the terminal's clipboard."""
        try:
            found = piece(self._transaction, kind)
            self.app.copy_to_clipboard(as_text(found))
        except CannotCopyError as error:
            self._say(str(error), failed=True)
            return
        self._say(f"sent {found.name} to the terminal's clipboard ({_size(found.data, found.note)})")

    def action_save(self, kind: Kind) -> None:
        """Save a piece."""
        try:
            found = piece(self._transaction, kind)
            path = save(found, self._transaction.id, Path.cwd())
        except CannotCopyError as error:
            self._say(str(error), failed=True)
            return
        self._say(f"saved {path} ({_size(found.data, found.note)})")

    def _say(self, sentence: str, *, failed: bool = False) -> None:
        self.dismiss()
        self.app.notify(sentence, severity="error" if failed else "information", markup=False)


def _size(data: bytes, note: str) -> str:
    size = f"{formats.count(len(data))} bytes"
    return f"{size}, {note}" if note else size

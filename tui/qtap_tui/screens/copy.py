"""What of a request to copy, through OSC 52, or to save: one key each, lower case copies, capital saves."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from qtap.model import Transaction
from qtap_tui import formats
from qtap_tui.actions import ACTIONS, bindings, key_name
from qtap_tui.document import Line, Span
from qtap_tui.piece import CannotCopyError, Kind, as_text, piece, save
from qtap_tui.widgets.bars import Bar

_KEYS = 12


class CopyScreen(ModalScreen[None]):
    """Asks what of `transaction`; does it, says so, and goes."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("copy")
    DEFAULT_CSS = """
    CopyScreen { align: center middle; }
    #choices { width: 64; max-width: 100%; height: auto; padding: 1 2; background: $panel; }
    """

    def __init__(self, transaction: Transaction) -> None:
        super().__init__()
        self._transaction = transaction

    def compose(self) -> ComposeResult:
        """A line an action."""
        with Vertical(id="choices"):
            for line in _lines():
                bar = Bar()
                bar.show(line)
                yield bar

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


def _lines() -> list[Line]:
    title: list[Span] = [("title", "Copy"), ("dim", "   by OSC 52; if your terminal ignores that, save")]
    rows: list[Line] = [title, ()]
    for action in ACTIONS:
        if action.place == "copy":
            keys = " ".join(key_name(key) for key in action.keys.split(","))
            rows.append((("key", keys.ljust(_KEYS)), ("text", action.help)))
    return rows

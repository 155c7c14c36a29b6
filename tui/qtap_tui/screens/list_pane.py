"""The list under the titles of its columns; what the user chooses of these is kept in a file."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from qtap_tui import column_file
from qtap_tui.arrangement import Arrangement
from qtap_tui.column_file import ColumnsError
from qtap_tui.layout import Layout
from qtap_tui.screens.columns import ColumnsScreen
from qtap_tui.view import View
from qtap_tui.widgets.bars import ListHeading
from qtap_tui.widgets.transaction_list import TransactionList


class ListPane(Vertical):
    """Shows `view`; `now` tells the time."""

    class Refused(Message):
        """The file of columns cannot be used, or not be written."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, view: View, now: Callable[[], int], *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._arrangement = Arrangement(Layout())
        self._heading = ListHeading(self._arrangement, id="heading")
        self._list = TransactionList(view, now, self._arrangement, id="list")
        self._wrong = ""
        """What is wrong with the user's file, which is then left alone."""

    def compose(self) -> ComposeResult:
        """The titles above the rows."""
        yield self._heading
        yield self._list

    def on_mount(self) -> None:
        """Take the user's columns; where their file is wrong, those there is room for."""
        try:
            self._arrangement.layout = column_file.load()
        except ColumnsError as error:
            self._wrong = str(error)
            self.post_message(self.Refused(self._wrong))

    def on_column_keys_marked(self) -> None:
        """Show the mark."""
        self._heading.refresh()

    def on_column_keys_sorted(self) -> None:
        """Show the order."""
        self._heading.refresh()

    def on_column_keys_resized(self) -> None:
        """Show the width, and keep it."""
        self._heading.refresh()
        self._save()

    def on_column_keys_choose(self) -> None:
        """Ask which columns to show."""
        self.app.push_screen(ColumnsScreen(self._arrangement.layout, self._list.size.width), self._choose)

    def _choose(self, layout: Layout | None) -> None:
        if layout is not None:
            self._arrangement.layout = layout
            self._heading.refresh()
            self._list.arranged()
            self._save()

    def _save(self) -> None:
        if self._wrong:
            self.post_message(self.Refused(f"not saved: {self._wrong}"))
            return
        try:
            column_file.save(self._arrangement.layout)
        except ColumnsError as error:
            self.post_message(self.Refused(str(error)))

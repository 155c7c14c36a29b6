"""The detail pane: tabs over one transaction, made when they are looked at, and again while it is live and changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.strip import Strip

from qtap.model import Transaction
from qtap_tui.actions import bindings
from qtap_tui.details.body import as_bytes, body
from qtap_tui.details.headers import headers
from qtap_tui.details.messages import messages
from qtap_tui.details.overview import overview
from qtap_tui.document import Document, Span, SpanDocument
from qtap_tui.widgets.bars import TabBar
from qtap_tui.widgets.lines import Lines

TABS = ("Overview", "Headers", "Request", "Response", "Bytes")
WEBSOCKET_TABS = ("Overview", "Headers", "Messages", "Request", "Response", "Bytes")
_REST = 10
"""A growing body is shown again after ten times as long as that took, so that keys always come first."""


_MARGIN: Span = ("text", " ")


class DocumentView(Lines):
    """Shows a document."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._document: Document = SpanDocument([])
        self._count = 0

    @property
    def line_count(self) -> int:
        """Rows of the document at this width."""
        return self._count

    def show(self, document: Document, *, keep_place: bool) -> None:
        """Show `document`, from its beginning or from where the last one stands; at its end, follow it as it grows."""
        was_at_end = 0 < self.last_top <= self.top
        self._document = document
        self._count = document.reflow(self.size.width - 2)
        self.top = 0 if not keep_place else self.last_top if was_at_end else min(self.top, self.last_top)
        self.refresh()

    def line(self, y: int, width: int, edge: Segment) -> Strip:
        """Paint one row."""
        row = self.top + y
        return self.paint((_MARGIN, *self._document.row(row)) if row < self._count else (), width, edge=edge)

    def on_resize(self) -> None:
        """Wrap at the new width."""
        self.show(self._document, keep_place=True)


class Detail(Vertical):
    """Shows one transaction."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("detail")
    DEFAULT_CSS = "Detail { height: 1fr; }"

    class Step(Message):
        """The user wants the next or the previous transaction of the list."""

        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

    def __init__(self, peer_of: Callable[[Transaction], Transaction | None], *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.transaction: Transaction | None = None
        self._peer_of = peer_of
        self._view_step = 0
        self._looks: object = None
        self._not_before = 0.0

    def compose(self) -> ComposeResult:
        """Tabs above the document."""
        yield TabBar(TABS, id="tabs")
        yield DocumentView(id="document")

    @property
    def document_view(self) -> DocumentView:
        """The lines below the tabs."""
        return self.query_one(DocumentView)

    @property
    def tab(self) -> int:
        """The tab that is shown."""
        return self.query_one(TabBar).current

    def show(self, transaction: Transaction) -> None:
        """Show `transaction`."""
        if transaction is not self.transaction:
            self.transaction = transaction
            self._view_step = 0
            self._make(keep_place=False)

    def sync(self) -> None:
        """Show what changed in a live transaction."""
        if self.transaction is not None and time.monotonic() >= self._not_before and _looks(self.transaction) != self._looks:
            self._make(keep_place=True)

    def action_tab(self, steps: int) -> None:
        """Show another tab."""
        self._choose((self.tab + steps) % len(self.query_one(TabBar).names))

    def action_view(self) -> None:
        """Show the body in another way."""
        self._view_step += 1
        self._make(keep_place=False)

    def action_step(self, steps: int) -> None:
        """Ask for another transaction."""
        self.post_message(self.Step(steps))

    def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """Show the tab that was clicked."""
        event.stop()
        self._choose(event.index)

    def _choose(self, index: int) -> None:
        bar = self.query_one(TabBar)
        bar.current = index
        bar.refresh()
        self._view_step = 0
        self._make(keep_place=False)

    def _make(self, *, keep_place: bool) -> None:
        transaction = self.transaction
        if transaction is None:
            return
        started = time.monotonic()
        self.query_one(TabBar).offer(WEBSOCKET_TABS if transaction.websocket else TABS)
        self._looks = _looks(transaction)
        self.document_view.show(self._document(transaction), keep_place=keep_place)
        ended = time.monotonic()
        self._not_before = ended + _REST * (ended - started)

    def _document(self, transaction: Transaction) -> Document:
        name = self.query_one(TabBar).names[self.tab]
        if name == "Overview":
            return overview(transaction, self._peer_of(transaction))
        if name == "Headers":
            return headers(transaction)
        if name == "Messages" and transaction.websocket:
            return messages(transaction.websocket, self._view_step, finished=transaction.finished)
        if name == "Bytes":
            return as_bytes(transaction)
        message = transaction.request if name == "Request" else transaction.response
        return body(message, self._view_step, finished=transaction.finished)


def _looks(transaction: Transaction) -> object:
    request, response = transaction.request, transaction.response
    return (
        transaction.finished,
        transaction.incomplete,
        transaction.peer,
        len(request.head),
        request.wire_size,
        request.complete,
        len(response.head),
        response.wire_size,
        response.complete,
        response.last_at,
        len(transaction.websocket.messages) if transaction.websocket else 0,
    )

"""The Requests screen: the list, the details, the filter and the status line, kept in step with the log.

Ten times a second (five over SSH) it looks at the log; what has not changed is not painted.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import ClassVar

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from qtap.flow.state import EngineState
from qtap.model import Transaction
from qtap_tui.actions import Action, bindings
from qtap_tui.document import Span
from qtap_tui.feed import Feed
from qtap_tui.hint import FirstLine
from qtap_tui.screens.confirm import ConfirmScreen
from qtap_tui.screens.copy import CopyScreen
from qtap_tui.screens.list_pane import ListPane
from qtap_tui.screens.panes import PanesScreen
from qtap_tui.view import View
from qtap_tui.widgets.bars import KeyFooter, ListHeading
from qtap_tui.widgets.detail import Detail
from qtap_tui.widgets.filter_bar import FilterBar, Words
from qtap_tui.widgets.notice import Notice
from qtap_tui.widgets.status_line import ListState, Rate, StatusLine
from qtap_tui.widgets.transaction_list import TransactionList
from qtap_tui.words import doubt

_LOCAL, _OVER_SSH = 0.1, 0.2
"""Seconds between two looks at the log."""
_SLICE = 5_000_000
"""Nanoseconds a search takes before keys come first."""
_REST = 0.001
"""Seconds between two slices."""
_SORT_SLICE, _SORT_REST = 3_000_000, 0.002
"""The same while rows are sorted, which takes longer than to find them."""
_SAID_SECONDS = 6.0
_NOTHING: Span = ("", "")


class RequestsScreen(PanesScreen):
    """Shows what `feed` brings."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("requests")
    AUTO_FOCUS = "#list"

    def __init__(self, feed: Feed, *, capture_title: str, now: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self.feed = feed
        self.view = View(feed.log, self._now)
        self._title = capture_title
        self._clock = now
        self._live_clock = True
        self._rate = Rate()
        self._first_line = FirstLine()
        self._said, self._said_until = _NOTHING, 0.0
        self._forgotten: dict[str, int] = {}
        """The losses at the time when the list was cleared."""

    def compose(self) -> ComposeResult:
        """Panes above a notice, the filter, the status line and the footer."""
        with Container(id="panes"):
            yield ListPane(self.view, self._now, id="list-pane")
            yield Detail(self._peer_of, id="detail")
        yield Notice(id="notice")
        yield FilterBar(id="filter")
        yield StatusLine(id="status")
        yield KeyFooter(self._title_of, id="footer")

    def on_mount(self) -> None:
        """Begin to look at the log."""
        self.list = self.query_one(TransactionList)
        self.detail = self.query_one(Detail)
        self.tick()
        over_ssh = "SSH_TTY" in os.environ or "SSH_CONNECTION" in os.environ
        self.set_interval(_OVER_SSH if over_ssh else _LOCAL, self.tick)

    def tick(self) -> None:
        """Look at the log and at the engine once."""
        state = self._since_clear(self.feed.state())
        self._live_clock = state.phase == "live"
        self.view.poll()
        self.list.sync()
        self.list.say(self._empty_text(state.phase, state.message))
        if self.detail.display:
            self.detail.sync()
        self._rate.update(self.view.log.end)
        said = self._said if time.monotonic() < self._said_until else _NOTHING
        shown = self.query_one(StatusLine).update(state, self._list_state(), len(self.view.log), self._rate.value, said)
        self._update_notice(state, _NOTHING if shown else said)

    def say(self, sentence: str, *, failed: bool = False) -> None:
        """Show a sentence for some seconds: in the status line, or above it where it is too long for that."""
        self._said, self._said_until = ("error" if failed else "accent", sentence), time.monotonic() + _SAID_SECONDS
        self.tick()

    def end_hint(self) -> None:
        """Take the first line away: the user has found the keys."""
        self._first_line.end()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's signature
        """Leave keys that mean something in a text to the filter bar while one types there."""
        return not (action in ("filter", "escape") and isinstance(self.focused, Words))

    def on_transaction_list_moved(self) -> None:
        """Show the details of the row under the cursor, where they are open."""
        if self.is_open and self.list.selected is not None:
            self.detail.show(self.list.selected)

    def on_transaction_list_opened(self) -> None:
        """Open the details."""
        self.action_details()

    def on_detail_step(self, event: Detail.Step) -> None:
        """Go to another row without leaving the details."""
        self.list.action_move(event.steps)

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Filter as typed."""
        self.view.filter(event.words, self.list.cursor)
        self._search()

    def on_list_heading_clicked(self, event: ListHeading.Clicked) -> None:
        """Sort by what was clicked."""
        self.list.sort(event.name)

    def on_column_keys_sorted(self) -> None:
        """Sort."""
        self._search()

    def on_list_pane_refused(self, event: ListPane.Refused) -> None:
        """Say what is wrong with the user's file of columns."""
        self.say(event.sentence, failed=True)

    def action_keep_filter(self) -> None:
        """Go to the list; the filter stays, unless it is empty."""
        self.set_focus(self.list)
        if not self.query_one(FilterBar).words.value.strip():
            self.action_drop_filter()

    def action_drop_filter(self) -> None:
        """Show every row again."""
        bar = self.query_one(FilterBar)
        bar.words.clear()
        bar.display = False
        self.view.filter((), self.list.cursor)
        self._search()
        self.set_focus(self.list)
        self.query_one(KeyFooter).refresh()
        self.tick()
        self.list.show_cursor()

    def action_details(self) -> None:
        """Open the details of the row under the cursor."""
        transaction = self.list.stay()
        if transaction is not None:
            self.set_open(is_open=True)
            self.detail.show(transaction)
            self.set_focus(self.detail.document_view, scroll_visible=False)

    def action_filter(self) -> None:
        """Open the filter bar."""
        bar = self.query_one(FilterBar)
        bar.display = True
        self.set_focus(bar.words, scroll_visible=False)

    def action_follow(self) -> None:
        """Follow the newest row, or stop."""
        self.list.follow(following=not self.list.following)
        self.tick()

    def action_pause(self) -> None:
        """Let the list stand still, or go on."""
        self.view.pause(paused=not self.view.paused)
        self.tick()

    def action_copy(self) -> None:
        """Ask what of the request to copy or save; the list stays where it is."""
        transaction = self.detail.transaction if self.is_open else self.list.stay()
        if transaction is not None:
            self.app.push_screen(CopyScreen(transaction, self.app._keymap))  # noqa: SLF001 - Textual is pinned

    async def action_clear(self) -> None:
        """Forget every row, once the user says so."""
        total = len(self.view.log)
        if not total:
            self._forget_losses()
        else:
            self.app.push_screen(ConfirmScreen(f"Forget all {total:,} captured requests?", "Forget"), self._clear)

    def action_back(self) -> None:
        """Go back one step, at last out of the program."""
        if not self._step_back():
            self.app.exit()

    def action_escape(self) -> None:
        """Go back one step, within the program."""
        self._step_back()

    def _title_of(self, action: Action) -> str:
        """Name an action for the footer; where there is nothing to go back to, `q` leaves the program."""
        return "Quit" if action.id == "requests.back" and not self._can_step_back else action.title

    @property
    def _can_step_back(self) -> bool:
        return self.is_open or bool(self.view.words) or self.query_one(FilterBar).display

    def _now(self) -> int:
        return self._clock() if self._live_clock else 0

    def _step_back(self) -> bool:
        if self.is_open:
            self.set_focus(self.list)
            self.set_open(is_open=False)
        elif self._can_step_back:
            self.action_drop_filter()
        else:
            return False
        return True

    @work(group="search", exclusive=True)
    async def _search(self) -> None:
        """Search slice by slice; keys are obeyed and lines painted between two of them."""
        while self.view.search(_SORT_SLICE if self.view.sorting else _SLICE):
            if not self.view.sorting:  # else each slice moves every line: the next tick shows them
                self.list.sync()
            # Longer than nothing: a key passes through several tasks, each of which would wait for a slice.
            await asyncio.sleep(_SORT_REST if self.view.sorting else _REST)
        self.list.sync()

    def _clear(self, confirmed: bool | None) -> None:
        if confirmed:
            self.feed.clear()
            self._forget_losses()
            self.list.follow(following=True)
            self.tick()

    def _forget_losses(self) -> None:
        self._forgotten = self.feed.state().losses
        self.tick()

    def _since_clear(self, state: EngineState) -> EngineState:
        if not self._forgotten:
            return state
        losses = {place: number - self._forgotten.get(place, 0) for place, number in state.losses.items()}
        return msgspec.structs.replace(state, losses=losses)

    def _list_state(self) -> ListState:
        return ListState(
            len(self.view),
            bool(self.view.words),
            self.view.searching,
            self.list.following,
            self.view.paused,
            self.list.new_rows,
            self.view.gone,
            self.list.arrangement.order,
            self.view.sorting,
        )

    def _peer_of(self, transaction: Transaction) -> Transaction | None:
        return self.list.peer_of(transaction)

    def _empty_text(self, phase: str, message: str) -> str:
        if self.view.words:
            reason = doubt(self.view.words)
            nothing = f"no request matches: {reason}" if reason else "no request matches the filter"
            return "searching…" if self.view.searching or self.view.sorting else nothing
        waiting = "waiting for the first request"
        return {"starting": f"starting: {message}" if message else "starting", "live": waiting, "replay": waiting}.get(
            phase, "no requests"
        )

    def _update_notice(self, state: EngineState, said: Span) -> None:
        notice = self.query_one(Notice)
        if state.phase == "failed":
            notice.show("error", state.message)
            return
        if said[1]:
            notice.show(*said)
            return
        what = self._title or f"all HTTP(S) on {state.source or 'this host'}"
        keymap = self.app._keymap  # noqa: SLF001 - Textual is pinned
        notice.show("text", self._first_line.text(what, keymap, len(self.view.log), self.size.width))

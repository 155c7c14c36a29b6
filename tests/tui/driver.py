"""A running screen for tests: keys in, lines of text out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot
from textual.strip import Strip

from qtap_tui import themes
from qtap_tui.app import QtapApp
from qtap_tui.screens.requests import RequestsScreen
from qtap_tui.widgets.detail import Detail
from qtap_tui.widgets.transaction_list import TransactionList
from tests.tui.synthetic import START, SyntheticFeed

_PATIENCE = 30.0
SMALL, LARGE = (80, 24), (140, 45)
NOW = START + 100_000_000_000
"""Ten seconds after the 90th row began."""


def make_app(feed: SyntheticFeed, *, theme: str = "dark", title: str = "") -> QtapApp:
    """Make the application over `feed`, its clock standing still."""
    return QtapApp(feed, themes.load(theme), capture_title=title, now=lambda: NOW)


@dataclass
class Driver:
    """One running screen."""

    app: QtapApp
    pilot: Pilot[int]
    requests: RequestsScreen

    async def press(self, *keys: str) -> None:
        """Type keys, let them take effect, and let the screen look at the log once."""
        await self.pilot.press(*keys)
        self.look()
        await self.pilot.pause()

    async def found(self) -> None:
        """Wait until the search for the filter's words is over, and what it found is sorted."""
        deadline = time.monotonic() + _PATIENCE
        while self.requests.view.searching or self.requests.view.sorting:
            assert time.monotonic() < deadline
            await self.pilot.pause(0.005)
        self.look()
        await self.pilot.pause()

    def look(self) -> None:
        """Do what the timer does."""
        self.requests.tick()

    def strips(self) -> list[Strip]:
        """Give what is on the screen."""
        return self.app.screen._compositor.render_strips()  # noqa: SLF001 - what reaches the terminal, before its escape codes

    def lines(self) -> list[str]:
        """Give the text on the screen."""
        return [strip.text for strip in self.strips()]

    @property
    def text(self) -> str:
        """Give the text on the screen."""
        return "\n".join(self.lines())

    @property
    def top_screen(self) -> object:
        """The screen that has the keys."""
        return self.app.screen

    @property
    def focused(self) -> object:
        """The widget that has the keys."""
        return self.requests.focused

    @property
    def list(self) -> TransactionList:
        """The list."""
        return self.requests.query_one(TransactionList)

    @property
    def detail(self) -> Detail:
        """The detail pane."""
        return self.requests.query_one(Detail)

    @property
    def status(self) -> str:
        """The status line's text."""
        return self.lines()[-2]


@asynccontextmanager
async def running(feed: SyntheticFeed, size: tuple[int, int] = SMALL, *, theme: str = "dark") -> AsyncIterator[Driver]:
    """Run the screen without a terminal."""
    app = make_app(feed, theme=theme)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        requests = app.screen
        assert isinstance(requests, RequestsScreen)
        driver = Driver(app, pilot, requests)
        driver.look()
        await pilot.pause()
        yield driver

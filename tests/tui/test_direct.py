"""The short way to the terminal paints what Textual's own way would."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from textual._compositor import CompositorUpdate
from textual.screen import Screen
from textual.strip import Strip

from qtap_tui.direct import DirectUpdate
from tests.tui.driver import LARGE, SMALL, Driver, running
from tests.tui.hostile import hostile
from tests.tui.synthetic import SyntheticFeed, mixture

KEYS = (
    "k",
    "k",
    "enter",
    "l",
    "tab",
    "z",
    "z",
    "q",
    "slash",
    "n",
    "g",
    "enter",
    "p",
    "g",
    "G",
    "q",
    "p",
    "pageup",
    "escape",
    "f",
)


class Glass:
    """What a terminal would show of the direct updates; Textual's own ones are taken as they are."""

    def __init__(self, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        self.driver = driver
        self.lines: list[Strip] = driver.strips()
        self.direct = 0
        monkeypatch.setattr(driver.app, "_display", self._display)

    def _display(self, _screen: Screen[object], update: CompositorUpdate | None) -> None:
        if isinstance(update, DirectUpdate):
            self.direct += 1
            for x, y, strip in update.pieces:
                line = self.lines[y]
                after = line.crop(x + strip.cell_length, line.cell_length)
                self.lines[y] = Strip.join([line.crop(0, x), strip, after])
        elif update is not None:
            self.lines = self.driver.strips()

    async def settle(self) -> None:
        """Wait until what is to be painted was painted."""
        for _ in range(100):
            await self.driver.pilot.pause(0.02)
            if looks(self.lines) == looks(self.driver.strips()):
                return


def looks(strips: list[Strip]) -> list[list[Segment]]:
    return [list(strip.simplify().discard_meta()) for strip in strips]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_terminal_shows_what_the_compositor_would_show(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = SyntheticFeed().fill(100)
    async with running(feed, size) as screen:
        await screen.press("escape")
        glass = Glass(screen, monkeypatch)
        for key in KEYS:
            await screen.press(key)
            feed.fill(7, hostile if key == "q" else mixture)
            screen.look()
            await glass.settle()
            assert looks(glass.lines) == looks(screen.strips()), key
        assert glass.direct >= len(KEYS)


async def test_what_lies_over_the_widgets_goes_textuals_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(SyntheticFeed().fill(10)) as screen:
        glass = Glass(screen, monkeypatch)
        await screen.press("c")
        await glass.settle()
        assert "Forget all" in screen.text
        assert looks(glass.lines) == looks(screen.strips())

"""Pictures of the screen, compared with those in `snapshots/`; `pytest --snapshot-update` takes new ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from textual.app import App
from textual.pilot import Pilot

from qtap.flow.state import EngineState
from qtap_tui.app import QtapApp
from qtap_tui.screens.requests import RequestsScreen
from tests.tui.driver import LARGE, SMALL, make_app
from tests.tui.hostile import hostile
from tests.tui.synthetic import SyntheticFeed

Compare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])


@pytest.fixture
def looks(snap_compare: Compare) -> Callable[..., bool]:
    """Press keys, look at the log once more, and compare the picture."""

    def compare(app: App[int], size: tuple[int, int], *keys: str) -> bool:
        async def press(pilot: Pilot[int]) -> None:
            await pilot.pause()
            await pilot.press(*keys)
            requests = pilot.app.screen_stack[0]
            assert isinstance(requests, RequestsScreen)
            for bar in pilot.app.screen.query("Input"):
                bar.cursor_blink = False  # type: ignore[attr-defined]
            requests.tick()
            await pilot.pause()

        run: Callable[[Pilot[int]], Awaitable[None]] = press
        return snap_compare(app, terminal_size=size, run_before=run)

    return compare


def app(feed: SyntheticFeed | None = None, theme: str = "dark") -> QtapApp:
    return make_app(feed or SyntheticFeed().fill(60), theme=theme)


@SIZES
def test_first_start(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(SyntheticFeed(engine=EngineState("starting", "setting probes", source="web1"))), size)


@SIZES
def test_list(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "escape")


@SIZES
@pytest.mark.parametrize("theme", ["light", "ansi"])
def test_other_themes(looks: Compare, size: tuple[int, int], theme: str) -> None:
    assert looks(app(theme=theme), size, "k", "k", "enter", "tab")


@SIZES
def test_overview(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "k", "enter")


@SIZES
def test_headers(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "k", "enter", "l")


@SIZES
def test_json(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "k", "k", "k", "enter", "h", "h")


@SIZES
def test_bytes(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "k", "enter", "h")


@SIZES
def test_filter(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "slash", *"nginx")


@SIZES
def test_help(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "question_mark")


@SIZES
def test_question_before_clearing(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "c")


@SIZES
def test_copy_menu(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "k", "y", "down")


@SIZES
def test_sorted_by_size(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "h", "h", "s")


@SIZES
def test_choice_of_columns(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(), size, "o", "down", "space", "J")


@SIZES
def test_losses_in_a_pause(looks: Compare, size: tuple[int, int]) -> None:
    feed = SyntheticFeed().fill(60)
    feed.engine = msgspec.structs.replace(feed.engine, losses={"ring": 12, "log": 3456})
    assert looks(app(feed), size, "p")


@SIZES
def test_failure(looks: Compare, size: tuple[int, int]) -> None:
    sentence = (
        "BCC is missing: `apt install python3-bpfcc` brings it (`qtap-tui --demo` shows sample traffic without capturing)"
    )
    assert looks(app(SyntheticFeed(engine=EngineState("failed", sentence))), size)


@SIZES
def test_hostile_rows(looks: Compare, size: tuple[int, int]) -> None:
    assert looks(app(SyntheticFeed().fill(5, hostile)), size, "k", "enter")


def test_large_screen(looks: Compare) -> None:
    assert looks(app(), (200, 50), "k", "enter", "tab", "z")

"""The registry of actions: footer, help, palette and keymap agree with it, and every action can be carried out."""

from __future__ import annotations

from collections import Counter

import pytest
from textual.dom import DOMNode

from qtap_tui.actions import ACTIONS, BY_ID, PLACES, TOGETHER, Action, key_name
from qtap_tui.app import QtapApp
from qtap_tui.screens.columns import ColumnsScreen
from qtap_tui.screens.copy import CopyScreen
from qtap_tui.screens.help import help_lines
from qtap_tui.screens.requests import RequestsScreen
from qtap_tui.widgets.detail import Detail, DocumentView
from qtap_tui.widgets.filter_bar import Words
from qtap_tui.widgets.transaction_list import TransactionList
from tests.tui.driver import running
from tests.tui.synthetic import SyntheticFeed

DOERS: dict[str, tuple[type[DOMNode], ...]] = {
    "app": (QtapApp,),
    "requests": (RequestsScreen,),
    "list": (TransactionList,),
    "detail": (Detail,),
    "filter": (Words,),
    "copy": (CopyScreen,),
    "columns": (ColumnsScreen,),
    "lines": (TransactionList, DocumentView),
}


def test_every_place_has_a_title_and_somebody_who_acts() -> None:
    assert {action.place for action in ACTIONS} == set(PLACES) == set(DOERS)
    assert len(BY_ID) == len(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_its_method(action: Action) -> None:
    method = action.method.partition("(")[0]
    doers = (RequestsScreen,) if method.startswith("screen.") else DOERS[action.place]
    for doer in doers:
        assert hasattr(doer, f"action_{method.removeprefix('screen.')}")


def test_no_key_does_two_things_where_both_apply() -> None:
    for places in TOGETHER:
        keys = Counter(key for action in ACTIONS if action.place in places for key in action.keys.split(","))
        assert [key for key, count in keys.items() if count > 1] == []


def test_the_help_names_every_action_with_the_keys_of_the_users_keymap() -> None:
    text = "\n".join("".join(part for _, part in line) for line in help_lines({"requests.pause": "ctrl+t"}))
    for action in ACTIONS:
        assert action.help in text
    assert f"{'^t':16}{BY_ID['requests.pause'].help}" in text


def test_keys_are_named_as_people_do() -> None:
    assert [key_name(key) for key in ("ctrl+d", "shift+tab", "question_mark", "G")] == ["^d", "⇧Tab", "?", "G"]


async def test_the_footer_names_what_can_be_done_here() -> None:
    async with running(SyntheticFeed().fill(3)) as screen:
        assert "Enter Details  s Sort  o Columns  / Filter  p Pause  y Copy  q Quit  ? Help" in screen.lines()[-1]
        await screen.press("enter")
        assert "→ Next tab" in screen.lines()[-1]
        await screen.press("q", "slash")
        assert "Esc Drop" in screen.lines()[-1]
        assert "/ Filter" not in screen.lines()[-1]
        assert "p Pause" not in screen.lines()[-1]


async def test_the_footer_follows_the_users_keymap() -> None:
    async with running(SyntheticFeed().fill(3)) as screen:
        screen.app.set_keymap({"requests.pause": "ctrl+t"})
        await screen.press("ctrl+t")
        assert "^t Pause" in screen.lines()[-1]
        assert "PAUSED" in screen.status


async def test_a_click_on_the_footer_does_what_the_key_does() -> None:
    async with running(SyntheticFeed().fill(3)) as screen:
        at = screen.lines()[-1].index("p Pause")
        await screen.pilot.click("#footer", offset=(at + 3, 0))
        screen.look()
        await screen.pilot.pause()
        assert "PAUSED" in screen.status


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_finds_an_action_by_its_name_and_does_it(key: str) -> None:
    async with running(SyntheticFeed().fill(3)) as screen:
        await screen.pilot.press(key, *"paus")
        await screen.pilot.pause(0.3)
        assert BY_ID["requests.pause"].help in screen.text
        await screen.pilot.press("enter", "enter")
        await screen.pilot.pause(0.2)
        screen.look()
        await screen.pilot.pause()
        assert "PAUSED" in screen.status


def test_no_line_of_the_help_is_too_long_for_80_columns_or_speaks_of_ids() -> None:
    lines = ["".join(part for _, part in line) for line in help_lines({})]
    assert [line for line in lines if len(line) > 77] == []
    assert not any(action.id in line for line in lines for action in ACTIONS)

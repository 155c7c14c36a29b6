"""The user's own keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtap_tui import keymap, themes
from qtap_tui.actions import BY_ID
from qtap_tui.app import QtapApp
from qtap_tui.hint import hint
from qtap_tui.keymap import KeymapError
from qtap_tui.words import FIELDS
from tests.tui.driver import NOW, SMALL
from tests.tui.synthetic import SyntheticFeed

DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"


def written(text: str) -> Path:
    path = keymap.user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_there_need_be_none() -> None:
    assert keymap.load() == {}
    written("# nothing yet\n")
    assert keymap.load() == {}


def test_keys_are_named_or_typed() -> None:
    written("requests.pause: f5\nrequests.filter: ['/', ctrl+s]\nlist.open: 'G'\nlines.last: end\napp.requests: 0\n")
    assert keymap.load() == {
        "requests.pause": "f5",
        "requests.filter": "slash,ctrl+s",
        "list.open": "G",
        "lines.last": "end",
        "app.requests": "0",
    }


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("requests.paus: f5", "requests.paus: no such action; did you mean requests.pause?"),
        ("17: f5", "17: no such action"),
        ("requests.pause: ''", "'' is not a key such as"),
        ("requests.pause: 'ctrl + x'", "'ctrl + x' is not a key"),
        ("requests.pause: true", "True is not a key"),
        ("requests.pause: []", "requests.pause: has no key"),
        ("requests.pause: f", "f would do both, requests.follow and requests.pause"),
        ("copy.url: c", "c would do both, copy.curl and copy.url"),
        ("- f5", "is not a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(text: str, wrong: str) -> None:
    path = written(text)
    with pytest.raises(KeymapError) as caught:
        keymap.load()
    assert str(caught.value).startswith(f"{path}: ")
    assert wrong in str(caught.value)


def test_the_default_keys_can_be_written_as_a_keymap() -> None:
    written("".join(f"{action.id}: {action.keys.split(',')}\n" for action in BY_ID.values()))
    assert keymap.load() == {action.id: action.keys for action in BY_ID.values()}


def test_the_document_names_every_action_and_its_keys() -> None:
    text = DOCUMENT.read_text().partition("## Words of the filter")[0]
    for action in BY_ID.values():
        assert f"| `{action.id}` | `{action.keys}` | {action.help} |" in text
    assert text.count("\n| `") == len(BY_ID)
    written(text.partition("```yaml\n")[2].partition("```")[0])
    assert keymap.load()["requests.filter"] == "slash,ctrl+f"


def test_the_document_names_every_field_of_the_filter() -> None:
    words = DOCUMENT.read_text().partition("## Words of the filter")[2]
    assert [field for field in FIELDS if f"`{field}:…`" not in words] == []


async def test_the_screen_obeys_them_and_names_them() -> None:
    keys = {"requests.pause": "f5", "copy.url": "x", "requests.copy": "ctrl+y"}
    app = QtapApp(SyntheticFeed().fill(3), themes.load("dark"), keymap=keys, now=lambda: NOW)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()

        def text() -> str:
            return "\n".join(strip.text for strip in app.screen._compositor.render_strips())  # noqa: SLF001 - what is on the screen

        assert hint(keys) in text()
        assert "F5" in hint(keys).upper()
        await pilot.press("p")
        assert "PAUSED" not in text()
        await pilot.press("f5")
        await pilot.pause()
        assert "PAUSED" in text()
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert " x   Copy the URL" in text()
        await pilot.press("x")
        assert app.clipboard.startswith("http://api")

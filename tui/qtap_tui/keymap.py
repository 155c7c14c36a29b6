"""The user's keymap: `keys.yaml`, a mapping from an action's id to its key, or to a list of keys.

Keys are written as Textual names them (`ctrl+d`, `pagedown`, `f5`), or as the character that is typed (`/`, `G`). A file
with an unknown id, something that is no key, or a key that would then do two things in one place is refused with one sentence
that names file and key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from textual.keys import _character_to_key

from qtap_tui.actions import ACTIONS, BY_ID, TOGETHER
from qtap_tui.settings import SettingsError, folder, read_yaml

_KEY = re.compile(r"(?:(?:ctrl|shift|alt|super)\+)*[a-z0-9_]+|[A-Z]")


class KeymapError(SettingsError):
    """The keymap cannot be used."""


def user_file() -> Path:
    """Give the path of the user's keymap."""
    return folder() / "keys.yaml"


def load() -> dict[str, str]:
    """Read the user's keymap, empty where there is none: keys by action, separated by commas; raises KeymapError."""
    path = user_file()
    return read(path) if path.exists() else {}


def read(path: Path) -> dict[str, str]:
    """Read one keymap; raises KeymapError."""
    content = read_yaml(path, KeymapError)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise KeymapError(f"{path}: is not a mapping of actions to keys")
    keymap = {_action(path, name): _keys(path, name, value) for name, value in content.items()}
    _refuse_clashes(path, keymap)
    return keymap


def _action(path: Path, name: object) -> str:
    if name not in BY_ID:
        near = difflib.get_close_matches(str(name), BY_ID, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(BY_ID)}"
        raise KeymapError(f"{path}: {name!s}: no such action{hint}")
    return str(name)


def _keys(path: Path, name: object, value: object) -> str:
    given = value if isinstance(value, list) else [value]
    keys = [_character_to_key(key) if len(key) == 1 else key for key in map(_text, given)]
    for key, written in zip(keys, given, strict=True):
        if not _KEY.fullmatch(key):
            raise KeymapError(f"{path}: {name!s}: {written!r} is not a key such as 'ctrl+d', 'f5', 'pagedown' or '/'")
    if not keys:
        raise KeymapError(f"{path}: {name!s}: has no key")
    return ",".join(keys)


def _text(value: object) -> str:
    """Give a key as text: YAML reads `1` as a number."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _refuse_clashes(path: Path, keymap: Mapping[str, str]) -> None:
    for places in TOGETHER:
        taken: dict[str, str] = {}
        for action in ACTIONS:
            if action.place not in places:
                continue
            for key in keymap.get(action.id, action.keys).split(","):
                other = taken.setdefault(key, action.id)
                if other != action.id:
                    raise KeymapError(f"{path}: {key} would do both, {other} and {action.id}: give one of them another key")

"""Theme files: one YAML a theme, the file's name is the theme's. Keys are the fields of Textual's `Theme`.

`variables` holds this program's own colours (palette.FALLBACKS) and Textual's; each may be left out. A file with an unknown
key, a wrong type or a wrong colour is refused with one sentence that names file and key.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from qtap_tui.palette import FALLBACKS
from qtap_tui.settings import SettingsError, folder, read_yaml

DEFAULT = "dark"
WITHOUT_COLOUR = "ansi"
"""The theme that NO_COLOR asks for: it tells everything by bold, dim and reverse, once colours are taken off."""
_PACKAGED = Path(__file__).with_name("_data") / "themes"
_CHECKOUT = Path(__file__).parents[2] / "themes"
_NUMBERS = frozenset({"luminosity_spread", "text_alpha"})
_FLAGS = frozenset({"dark", "ansi"})
_KEYS = frozenset(field.name for field in fields(Theme)) - {"name"}


class ThemeError(SettingsError):
    """A theme cannot be used; the text is one sentence with file and key."""


def user_folder() -> Path:
    """Give the folder for the user's own themes (settings.py)."""
    return folder() / "themes"


def files() -> dict[str, Path]:
    """Give every theme file by name; the user's own come before shipped ones of the same name."""
    shipped = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return {path.stem: path for place in (shipped, user_folder()) for path in sorted(place.glob("*.yaml"))}


def load(name: str) -> Theme:
    """Read the theme called `name`; raises ThemeError."""
    known = files()
    if name not in known:
        raise ThemeError(f"there is no theme {name!r}; there are {', '.join(sorted(known))}, and {user_folder()} for your own")
    return read(known[name])


def read(path: Path) -> Theme:
    """Read one theme file; raises ThemeError."""
    content = read_yaml(path, ThemeError)
    if not isinstance(content, dict):
        raise ThemeError(f"{path}: is not a mapping of keys to colours")
    for key, value in content.items():
        _check(path, key, value)
    if "primary" not in content:
        raise ThemeError(f"{path}: primary is missing")
    theme = Theme(name=path.stem, **content)
    if theme.ansi:
        # Textual's own style sheets refer to variables that only its own themes of sixteen colours have.
        theme.variables = BUILTIN_THEMES["ansi-dark" if theme.dark else "ansi-light"].variables | theme.variables
    _check_variables(path, theme)
    return theme


def _check(path: Path, key: object, value: Any) -> None:  # noqa: ANN401 - whatever YAML holds
    if key not in _KEYS:
        raise ThemeError(f"{path}: {key!s}: no such key; there are {', '.join(sorted(_KEYS))}")
    if key in _FLAGS:
        _expect(path, key, value, bool, "true or false")
    elif key in _NUMBERS:
        _expect(path, key, value, (int, float), "a number")
    elif key == "variables":
        _expect(path, key, value, dict, "a mapping")
    else:
        _check_colour(path, str(key), value)


def _expect(path: Path, key: object, value: object, kind: type | tuple[type, ...], words: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ThemeError(f"{path}: {key!s}: {value!r} is not {words}")


def _check_variables(path: Path, theme: Theme) -> None:
    plain = replace(theme, variables={}).to_color_system().generate()
    known = {**FALLBACKS, **plain, **BUILTIN_THEMES["ansi-dark"].variables, **BUILTIN_THEMES["ansi-light"].variables}
    for name, value in theme.variables.items():
        if name not in known:
            raise ThemeError(f"{path}: variables.{name!s}: no such variable; this program's are {', '.join(FALLBACKS)}")
        if name in FALLBACKS:
            _check_colour(path, f"variables.{name}", value)
        else:
            _expect(path, f"variables.{name}", value, str, "a text")


def _check_colour(path: Path, key: str, value: object) -> None:
    try:
        Color.parse(value if isinstance(value, str) else "")
    except ColorParseError:
        raise ThemeError(f"{path}: {key}: {value!r} is not a colour such as '#1e90ff', 'red' or 'ansi_red'") from None

"""The first line: what is captured, and the five keys that matter, until a key is pressed or some seconds passed."""

from __future__ import annotations

import time
from collections.abc import Mapping

from qtap_tui.actions import BY_ID, key_name
from qtap_tui.text import shortened

_SECONDS = 8.0
_AROUND = 5
"""Cells of the line beside what is captured and the keys."""
_LEAST = 16
"""Cells of what is captured, whatever its keys take."""
_HINTS = {
    "list.open": "details",
    "requests.filter": "filter",
    "requests.pause": "pause",
    "app.help": "keys",
    "requests.back": "quit",
}
"""The five keys that matter."""


def hint(keymap: Mapping[str, str]) -> str:
    """Name the five keys that matter, as the user's keymap has them."""
    keys = {name: keymap.get(name, BY_ID[name].keys).partition(",")[0] for name in _HINTS}
    return " · ".join(f"{key_name(keys[name])} {what}" for name, what in _HINTS.items())


HINT = hint({})


class FirstLine:
    """Stands from the start, or the first row, for some seconds."""

    def __init__(self) -> None:
        self._on = True
        self._until = 0.0

    def end(self) -> None:
        """Take it away."""
        self._on = False

    def text(self, what: str, keymap: Mapping[str, str], rows: int, width: int) -> str:
        """Give it for what is captured, empty when its time is over; that begins with the first of `rows`.

        Of what is captured stands what has room beside the keys in one line of `width` cells, while that is worth it.
        """
        if self._on and rows and not self._until:
            self._until = time.monotonic() + _SECONDS
        if self._until and time.monotonic() > self._until:
            self._on = False
        keys = hint(keymap)
        return f"{shortened(what, max(width - len(keys) - _AROUND, _LEAST))} · {keys}" if self._on else ""

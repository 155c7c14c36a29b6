"""Every key, from the registry and as the user's keymap has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from qtap_tui.actions import ACTIONS, PLACES, key_name
from qtap_tui.arrangement import DOWN, UP
from qtap_tui.columns import INCOMPLETE, LIVE, PEER
from qtap_tui.document import Line, SpanDocument
from qtap_tui.widgets.bars import Bar
from qtap_tui.widgets.detail import DocumentView
from qtap_tui.words import FIELDS

_KEYS = 16
_SIGNS = (
    (LIVE, "live: the response is not complete yet"),
    (INCOMPLETE, "something of it is known to be missing; the details say what"),
    ("←", "incoming: a process of this host answers"),
    ("→", "outgoing, within private networks"),
    ("↗", "outgoing, to the internet"),
    (f"{DOWN} {UP}", "sorted by this column, the greatest or the least first"),
    (PEER, "both ends are on this host; each is a row"),
)

_WORDS = (
    ("nginx", "in all that the list tells of a row, in headers and trailers"),
    (":8443", "in the addresses and ports of both ends; all words must fit"),
    ("404", "a number of up to three digits: not in headers or addresses"),
    ("5xx", "a class of statuses, as status:5xx or status=5xx"),
    *((f"{field}:…", f"{field} {what}") for field, what in FIELDS.items()),
    ("server:nginx", "a header by its name and value"),
)

_LOSSES = (
    ("LOST ring N", "N records found the kernel's ring full: raise --ring-size"),
    ("LOST reader N", "N records were not readable, or of too many connections"),
    ("LOST parser N", "N messages could not be understood"),
    ("LOST store N", "N records came faster than disk or pipe took them"),
    ("N dropped", "N of the oldest rows left, as --memory says"),
    ("N gone", "the same, during a pause; --record keeps all in a file"),
)


def help_lines(keymap: Mapping[str, str]) -> list[Line]:
    """Give the lines of the help."""
    lines: list[Line] = []
    for place, title in PLACES.items():
        lines.append((("title", title),))
        for action in ACTIONS:
            if action.place == place:
                keys = " ".join(key_name(key) for key in keymap.get(action.id, action.keys).split(","))
                lines.append((("key", keys.ljust(_KEYS)), ("text", action.help)))
        lines.append(())
    lines.append((("title", "Signs"),))
    lines += [(("key", sign.ljust(_KEYS)), ("text", meaning)) for sign, meaning in _SIGNS]
    lines += [(), (("title", "Words of the filter"),)]
    lines += [(("key", word.ljust(_KEYS)), ("text", meaning)) for word, meaning in _WORDS]
    lines += [(), (("title", "Losses, in the status line"),)]
    lines += [(("loss", f" {place} "), ("text", " " * (_KEYS - len(place) - 2) + meaning)) for place, meaning in _LOSSES]
    return lines


class HelpScreen(Screen[None]):
    """Shows the keys until one of `?`, `q` or escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape", "dismiss", "Back", priority=True)]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._lines = help_lines(keymap)

    def compose(self) -> ComposeResult:
        """A title above the lines."""
        bar = Bar()
        bar.show((("title", " Keys"), ("dim", "   ? or Esc closes, j and k scroll")))
        yield bar
        yield DocumentView(id="help")

    def on_mount(self) -> None:
        """Fill the lines in."""
        view = self.query_one(DocumentView)
        view.show(SpanDocument(self._lines, hang=_KEYS), keep_place=False)
        view.focus()

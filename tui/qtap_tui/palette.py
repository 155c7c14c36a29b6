"""Roles and the styles that a theme gives them.

A role says what a text is, never how it looks. Where there are no colours, or sixteen, bold, dim and reverse take their place;
every role that matters is also told by a sign or a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

FALLBACKS = {
    "dim": "",
    "label": "",
    "title": "accent",
    "info": "secondary",
    "ok": "success",
    "redirect": "secondary",
    "client-error": "warning",
    "server-error": "error",
    "live": "accent",
    "ingress": "accent",
    "egress-internal": "foreground",
    "egress-external": "secondary",
    "key": "accent",
    "string": "success",
    "number": "secondary",
    "literal": "warning",
    "bar": "panel",
    "cursor": "primary",
}
"""Variables of a theme file that are this program's own, and the colour of the theme that each falls back to."""

_BOLD = frozenset({"title", "server-error", "loss", "tab"})
_REVERSED = frozenset({"loss", "alert", "tab"})
_SAME = {"text": "foreground", "accent": "accent", "warning": "warning", "error": "error", "loss": "error", "alert": "accent"}
_SAME["tab"] = "accent"
ROLES = (*_SAME, *(name for name in FALLBACKS if name not in ("bar", "cursor")))
_DIM_SHARE = 0.42
"""How far dim text goes towards the background."""


class Palette:
    """Styles by role, on each of three grounds: `background`, `bar` (status line, headings) and `cursor`."""

    def __init__(self, variables: Mapping[str, str], filters: Sequence[LineFilter] = (), *, ansi: bool) -> None:
        self._variables = variables
        self._filters = filters
        """What Textual would do to each line that is painted: take colours off, make them true colour. Here once a style."""
        self._ansi = ansi
        self._grounds: dict[str, dict[str, Style]] = {}

    def on(self, ground: str) -> dict[str, Style]:
        """Give the styles on one ground."""
        if ground not in self._grounds:
            self._grounds[ground] = {role: self._filtered(self._style(role, ground)) for role in ROLES}
        return self._grounds[ground]

    def _filtered(self, style: Style) -> Style:
        segments = [Segment("x", style)]
        for line_filter in self._filters:
            segments = line_filter.apply(segments, self._colour("background"))
        return segments[0].style or style

    def _style(self, role: str, ground: str) -> Style:
        bold = role in _BOLD or None
        if self._ansi and ground == "cursor":
            return Style(reverse=True, bold=bold)
        reverse = (role in _REVERSED) or None
        dim = (self._ansi and role in ("dim", "label") and not self._variables.get(role)) or None
        return Style(
            color=self._colour(role).rich_color,
            bgcolor=self._colour(ground).rich_color,
            bold=bold,
            reverse=reverse,
            dim=dim,
        )

    def _colour(self, name: str) -> Color:
        own = self._variables.get(name) if name in FALLBACKS else None
        value = own or self._variables.get(_SAME.get(name) or FALLBACKS.get(name, name))
        if value:
            return Color.parse(value)
        foreground = Color.parse(self._variables["foreground"])
        return foreground if self._ansi else foreground.blend(Color.parse(self._variables["background"]), _DIM_SHARE)

"""The base of every widget here: paints spans as lines, each text through the gate of text.py."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from qtap_tui.document import Line
from qtap_tui.palette import Palette
from qtap_tui.text import clean


class Painted(Widget):
    """Paints lines with the theme's palette; a subclass gives them in `render_line`."""

    ALLOW_SELECT = False
    _palette: Palette | None = None

    @property
    def palette(self) -> Palette:
        """The styles of the theme in use."""
        if self._palette is None:
            self._palette = Palette(self.app.theme_variables, ansi=self.app.native_ansi_color)
        return self._palette

    def notify_style_update(self) -> None:
        """Textual says that the theme or a style changed."""
        self._palette = None
        super().notify_style_update()

    def paint(self, spans: Line, width: int, ground: str = "background") -> Strip:
        """Give `spans` as a line of exactly `width` cells."""
        styles = self.palette.on(ground)
        pieces = [(role, clean(text)) for role, text in spans]
        used = sum(cell_len(text) for _, text in pieces)
        pieces.append(("text", " " * (width - used)))
        # Neighbours of one style are one segment: a sixth fewer bytes to the terminal.
        groups = groupby(pieces, key=itemgetter(0))
        segments = [Segment("".join([text for _, text in group]), styles[role]) for role, group in groups]
        strip = Strip(segments, max(used, width))
        return strip if used <= width else strip.crop(0, width)

    def paint_clickable(self, parts: list[tuple[Style, str, str]], width: int) -> Strip:
        """Give (style, text, target) as one line of `width` cells; a click on a part finds its target in the style's meta."""
        segments = [
            Segment(clean(text), style + Style(meta={"target": target}) if target else style) for style, text, target in parts
        ]
        strip = Strip(segments)
        return strip.crop(0, width) if strip.cell_length > width else strip.extend_cell_length(width, parts[0][0])

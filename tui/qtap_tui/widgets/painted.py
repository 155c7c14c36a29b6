"""The base of every widget here: paints spans as lines, each text through the gate of text.py.

A widget of this kind has no border, padding or opacity, so its lines go to the compositor as they were painted: Textual's own
way through its style cache takes four times as long for a screen full of new rows. A line is painted again only when a region
that holds it was refreshed.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from qtap_tui.document import Span
from qtap_tui.palette import Palette
from qtap_tui.text import cells, clean


class Painted(Widget):
    """Paints lines with the theme's palette; a subclass gives them in `render_line`."""

    ALLOW_SELECT = False
    _palette: Palette | None = None
    _cells = Size(0, 0)
    """The size for which `_painted` holds lines."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        self._painted: dict[int, Strip] = {}
        super().__init__(id=id)

    @property
    def palette(self) -> Palette:
        """The styles of the theme in use."""
        if self._palette is None:
            self._palette = Palette(self.app.theme_variables, self.get_line_filters(), ansi=self.app.native_ansi_color)
        return self._palette

    def notify_style_update(self) -> None:
        """Textual says that the theme or a style changed."""
        self._palette = None
        self._painted.clear()
        super().notify_style_update()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Painted:
        """Let the lines of `regions`, or all, be painted again."""
        if repaint and regions:
            for region in regions:
                for y in region.line_range:
                    self._painted.pop(y, None)
        elif repaint:
            self._painted.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Give the lines of `crop`, painting those that are not kept."""
        size = self.size
        if size != self._cells:
            self._cells = size
            self._painted.clear()
        painted, strips = self._painted, []
        for y in crop.line_range:
            strip = painted.get(y)
            if strip is None:
                strip = painted[y] = self.render_line(y)
            strips.append(strip)
        if crop.column_span != (0, size.width):
            return [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def paint(self, spans: Iterable[Span], width: int, ground: str = "background", edge: Segment | None = None) -> Strip:
        """Give `spans` as a line of exactly `width` cells, and the cell `edge` behind it."""
        styles = self.palette.on(ground)
        segments: list[Segment] = []
        texts: list[str] = []
        used, last = 0, "text"
        for role, text in (*spans, ("text", "")):
            if role != last:
                # Neighbours of one style are one segment: a sixth fewer bytes to the terminal.
                if texts:
                    segments.append(Segment("".join(texts), styles[last]))
                last, texts = role, []
            shown = clean(text)
            used += cells(shown)
            texts.append(shown)
        texts.append(" " * (width - used))
        if any(texts):
            segments.append(Segment("".join(texts), styles["text"]))
        if used > width:
            segments = list(Strip(segments, used).crop(0, width))
        if edge is not None:
            segments.append(edge)
            width += 1
        return Strip(segments, width)

    def paint_clickable(self, parts: list[tuple[Style, str, str]], width: int) -> Strip:
        """Give (style, text, target) as one line of `width` cells; a click on a part finds its target in the style's meta."""
        segments = [
            Segment(clean(text), style + Style(meta={"target": target}) if target else style) for style, text, target in parts
        ]
        strip = Strip(segments)
        return strip.crop(0, width) if strip.cell_length > width else strip.extend_cell_length(width, parts[0][0])

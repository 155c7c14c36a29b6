"""A shorter way from widgets to the terminal, for a screen whose widgets lie beside each other.

Textual's compositor asks every widget that touches the changed area for its lines, the containers behind it included, cuts all
of them at every edge on the screen and joins what is in front: half of what a repaint costs here. Where every changed cell
belongs to exactly one widget without children, the lines of these widgets are the picture. Anything else, such as a tooltip
over them, goes Textual's way.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from textual._compositor import Compositor, CompositorUpdate
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Piece = tuple[int, int, Strip]
"""Column, line, and what is to be seen there."""


class DirectUpdate(CompositorUpdate):
    """Lines of widgets, each at its place."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = list(pieces)

    def render_segments(self, console: Console) -> str:
        """Give what the terminal gets."""
        return "".join([f"\x1b[{y + 1};{x + 1}H{strip.render(console)}" for x, y, strip in self.pieces])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the same to a console; Textual does not ask for it."""
        for x, y, strip in self.pieces:
            yield Control.move_to(x, y)
            yield from strip


def direct_update(compositor: Compositor) -> DirectUpdate | None:
    """Give the changed lines and take note that nothing is changed any more; None where this way does not lead there."""
    whole = compositor.size.region
    changed = [region.intersection(whole) for region in compositor._dirty_regions]  # noqa: SLF001 - Textual is pinned
    leaves = [
        (widget, region)
        for widget, (region, clip) in compositor.visible_widgets.items()
        if not widget.children and clip.contains_region(region)
    ]
    if not _cover(changed, [region for _, region in leaves]):
        return None
    compositor._dirty_regions.clear()  # noqa: SLF001
    return DirectUpdate(piece for widget, region in leaves for piece in _lines(widget, region, changed))


def _cover(changed: list[Region], regions: list[Region]) -> bool:
    """Whether `regions` cover each cell of `changed` exactly once, as far as sums of areas can tell."""
    return all(sum(region.intersection(part).area for region in regions) == part.area for part in changed)


def _lines(widget: Widget, region: Region, changed: list[Region]) -> Iterable[Piece]:
    """Give the lines of a widget that hold a changed cell, each as a whole."""
    lines = {y for part in changed if (both := region.intersection(part)) for y in both.line_range}
    if lines:
        first, last = min(lines), max(lines)
        strips = widget.render_lines(Region(0, first - region.y, region.width, last - first + 1))
        for y, strip in enumerate(strips, first):
            if y in lines:
                yield region.x, y, strip

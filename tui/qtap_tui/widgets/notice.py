"""One sentence above the status line, as many lines high as it needs: the first-start hint, a failure with its remedy."""

from __future__ import annotations

from textual.geometry import Size
from textual.strip import Strip

from qtap_tui.document import SpanDocument
from qtap_tui.widgets.painted import Painted

_MARGIN = 1


class Notice(Painted):
    """Shows a sentence, or nothing."""

    DEFAULT_CSS = "Notice { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._text = ("", "")
        self._document = SpanDocument([])
        self.display = False

    @property
    def text(self) -> str:
        """What is shown."""
        return self._text[1]

    def show(self, role: str, text: str) -> None:
        """Show `text`, or nothing when it is empty."""
        if (role, text) == self._text:
            return
        self._text = (role, text)
        self._document = SpanDocument([((role, text),)])
        self.display = bool(text)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's signature
        """Take the lines that the sentence needs."""
        return self._document.reflow(width - 2 * _MARGIN)

    def render_line(self, y: int) -> Strip:
        """Paint one line of the sentence."""
        width = self._cells.width
        rows = self._document.reflow(width - 2 * _MARGIN)
        spans = self._document.row(y) if y < rows else ()
        return self.paint([("text", " " * _MARGIN), *spans], width, "bar")

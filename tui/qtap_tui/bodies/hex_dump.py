"""Offset, sixteen bytes in hexadecimal, and their ASCII; eight bytes where the width is small. Rows are made when seen."""

from __future__ import annotations

from qtap_tui.bodies.view import Body
from qtap_tui.document import Line

_WIDE = 16
_WIDE_CELLS = 10 + 3 * _WIDE + 2 + _WIDE
_DOTTED = bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in range(256))  # noqa: PLR2004 - printable ASCII


class HexDocument:
    """The rows of a hex dump of `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._bytes = _WIDE

    def reflow(self, width: int) -> int:
        """Choose sixteen or eight bytes a row and give the number of rows."""
        self._bytes = _WIDE if width >= _WIDE_CELLS else _WIDE // 2
        return -(-len(self._data) // self._bytes)

    def row(self, index: int) -> Line:
        """Give one row."""
        at = index * self._bytes
        piece = self._data[at : at + self._bytes]
        digits = piece.hex(" ")
        half = self._bytes // 2 * 3
        shown = f"{digits[:half]} {digits[half:]}".ljust(self._bytes * 3 + 1)
        return (("dim", f"{at:08x}  "), ("text", shown), ("string", piece.translate(_DOTTED).decode("ascii")))


class HexView:
    """Any body as bytes."""

    name = "hex"

    def score(self, body: Body) -> int:  # noqa: ARG002 - bytes can always be shown
        """Fit anything a little."""
        return 10

    def document(self, body: Body) -> HexDocument:
        """Give the rows."""
        return HexDocument(body.data)

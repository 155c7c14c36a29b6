"""Undoing permessage-deflate (RFC 7692 section 7.2.2) in bounded memory and time, and never from a window that is not known."""

from __future__ import annotations

import zlib
from typing import Final

_RAW: Final = -15
"""The largest window; it reads what was made with any smaller one."""
_PIECE: Final = 1 << 16
_BOMB: Final = 100
"""Inflated bytes that are thrown away for each one that came: deflate can make 1032 of one, text makes less than fifty."""
TAIL: Final = b"\x00\x00\xff\xff"
"""What the sender leaves out of the end of every message."""
_BEHIND_FINAL: Final = b"\x00" + TAIL
"""What stands behind a block that says it is the last one (section 7.2.3.4): an empty one."""


class Inflater:
    """Inflates the messages of one direction, in order.

    With `takeover` a message may refer to the 32 KB before it, so after a loss nothing that follows can be read; without, each
    message stands alone.
    """

    __slots__ = ("_came", "_made", "_stream", "_takeover", "readable")

    def __init__(self, *, takeover: bool) -> None:
        self._takeover = takeover
        self._stream = zlib.decompressobj(_RAW)
        self._came = self._made = 0
        self.readable = True
        """What comes next can be inflated."""

    def begin(self) -> bool:
        """Begin a message; False when it cannot be read."""
        self._came = self._made = 0
        if not self._takeover:
            self._stream = zlib.decompressobj(_RAW)
            self.readable = True
        return self.readable

    def lose(self) -> None:
        """Take note that bytes of a compressed message are missing."""
        self.readable = False

    def inflate(self, data: bytes, keep: int) -> tuple[bytes, int]:
        """Give the first `keep` bytes of what `data` inflates to, and the size of all of it; `readable` tells of failure.

        Stops, and gives up, at data that is no deflate and at what looks like a bomb.
        """
        self._came += len(data)
        kept, size, allowed = bytearray(), 0, self._made + keep + _BOMB * self._came
        try:
            while True:
                piece = self._stream.decompress(data, _PIECE)
                size += len(piece)
                self._made += len(piece)
                if len(kept) < keep:
                    kept += piece[: keep - len(kept)]
                data = self._stream.unconsumed_tail
                if not data and len(piece) < _PIECE:
                    break
                if self._made > allowed:
                    self.readable = False
                    break
        except zlib.error:
            self.readable = False
        if len(self._stream.unused_data) > len(_BEHIND_FINAL):
            self.readable = False
        return bytes(kept), size

    def end(self) -> None:
        """End a message: behind a final block (RFC 7692 section 7.2.3.4) the stream cannot be continued."""
        if self._stream.eof:
            self.readable = False

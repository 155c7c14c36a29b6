"""The header blocks of one direction of an HTTP/2 connection (RFC 9113 section 4.3): of one frame each, or of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from qtap.wire.hpack import Decoder, Entry
from qtap.wire.http2_syntax import SIZE

MAX_BLOCK: Final = 1 << 20
"""Bytes held of a header block; a longer one counts as lost."""


class Block(msgspec.Struct, gc=False):
    """A whole header block."""

    entries: list[Entry] | None
    """None when it is malformed."""
    unknown: int
    """How many of its fields are not known, or not wholly."""
    wire: int
    """Bytes of its frames."""


class Blocks:
    """Puts blocks together and decodes them, in order."""

    __slots__ = ("_decoder", "_pieces", "_then", "_wire", "stream")

    def __init__(self, *, fresh: bool) -> None:
        """Begin with the connection's first block (`fresh`), or with any."""
        self._decoder = Decoder(fresh=fresh)
        self._pieces: list[bytes] = []
        self._wire = 0
        self._then: Callable[[Block, int], None] = lambda _block, _at: None
        self.stream = 0
        """Of the block that goes on in CONTINUATION frames; 0 when there is none."""

    @property
    def held(self) -> int:
        """Bytes kept of a block that is arriving."""
        return self._wire if self.stream else 0

    @property
    def table(self) -> int:
        """Bytes of memory of the dynamic table."""
        return self._decoder.held

    def shrink(self) -> None:
        """Forget the oldest entries of a large dynamic table: what refers to them will be unknown."""
        self._decoder.shrink()

    def lose(self) -> None:
        """Take note that blocks may have passed unseen."""
        self._pieces = []
        self.stream = 0
        self._decoder.lose()

    def decode(self, block: bytes, payload: int) -> Block:
        """Decode a block that is one frame with `payload` bytes."""
        entries = self._decoder.decode(block)
        return Block(entries, self._decoder.unknown, SIZE + payload)

    def begin(self, stream: int, piece: bytes, payload: int, then: Callable[[Block, int], None]) -> None:
        """Begin a block of several frames; `then` is given it, and the time of its last frame."""
        self.stream, self._pieces, self._wire, self._then = stream, [piece], SIZE + payload, then

    def add(self, piece: bytes) -> bool:
        """Add a CONTINUATION; False when the block is longer than is held."""
        self._pieces.append(piece)
        self._wire += SIZE + len(piece)
        return self._wire <= MAX_BLOCK

    def end(self, at: int) -> None:
        """Decode the block, which is whole now."""
        entries = self._decoder.decode(b"".join(self._pieces))
        self._pieces, self.stream = [], 0
        self._then(Block(entries, self._decoder.unknown, self._wire), at)

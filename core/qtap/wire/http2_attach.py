"""Recognising HTTP/2 on a connection that was open before capture, and which side is its client.

Frames have a strict form, so calls that begin with them are noticed at once; believed is only a header block that unpacks
without a fault and names a request's or a response's pseudo-header field. Until then what was seen is held, so that no
insertion into a dynamic table is missed.
"""

from __future__ import annotations

from typing import Final

from qtap.wire.http2_blocks import Block
from qtap.wire.http2_frames import FrameStream

_MOST_HELD: Final = 1 << 18
_REQUEST_FIELDS: Final = (b":method", b":scheme", b":path", b":authority")


class _Judge:
    """Looks at the header blocks of one direction."""

    def __init__(self) -> None:
        self.is_client: bool | None = None
        self.lost = False

    def headers(self, stream: int, block: Block, at: int, *, ends: bool) -> None:  # noqa: ARG002 - only the block tells
        names = {name for name, _, _ in block.entries or ()}
        if b":status" in names:
            self.is_client = False
        elif names.intersection(_REQUEST_FIELDS):
            self.is_client = True

    def promise(self, promised: int, block: Block, at: int) -> None:
        """Tell nothing: a header block will."""

    def data(self, stream: int, piece: bytes, wire: int, at: int) -> None:
        """Tell nothing."""

    def data_ended(self, stream: int, at: int) -> None:
        """Tell nothing."""

    def data_lost(self, stream: int, size: int, at: int) -> None:
        """Tell nothing."""

    def reset(self, stream: int, code: int, at: int) -> None:
        """Tell nothing."""

    def goaway(self, last: int, at: int) -> None:
        """Tell nothing."""

    def frames_lost(self) -> None:
        self.lost = True


class Attach:
    """Looks at both directions of a connection, 0 and 1, until one of them shows which is the client's."""

    __slots__ = ("_judges", "_size", "_streams", "seen")

    def __init__(self) -> None:
        self.forget()

    @property
    def held(self) -> int:
        """Bytes of memory."""
        return self._size + sum(stream.held for stream in self._streams)

    def forget(self) -> None:
        """Begin anew: bytes passed unseen, or too many without a verdict."""
        self.seen: list[tuple[int, bytes, int, bool]] = []
        """Direction, bytes, time and boundary of what was seen since frames began."""
        self._size = 0
        self._judges = (_Judge(), _Judge())
        self._streams = tuple(FrameStream(judge, in_step=False, fresh=False, preface=False) for judge in self._judges)

    def feed(self, direction: int, data: bytes, at: int, *, boundary: bool) -> int | None:
        """Look at what one direction carried; give the client's direction once it is certain."""
        judge, stream = self._judges[direction], self._streams[direction]
        stream.feed(data, at, boundary)
        if judge.is_client is not None and not judge.lost:
            self._hold(direction, data, at, boundary=boundary)
            return direction if judge.is_client else 1 - direction
        if judge.lost:
            self.forget()
        elif stream.in_step or stream.promising:
            self._hold(direction, data, at, boundary=boundary)
            if self._size > _MOST_HELD:
                self.forget()
        elif self.seen and not any(one.in_step or one.promising for one in self._streams):
            self.forget()
        return None

    def _hold(self, direction: int, data: bytes, at: int, *, boundary: bool) -> None:
        self.seen.append((direction, data, at, boundary))
        self._size += len(data)

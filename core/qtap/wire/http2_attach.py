"""Recognising HTTP/2 on a connection that was open before capture, and which side is its client.

Frames have a strict form, so calls that begin with them are noticed at once; believed is only a header block that unpacks
without a fault and names a request's or a response's pseudo-header field. Until then what was seen is held, so that no
insertion into a dynamic table is missed.
"""

from __future__ import annotations

from typing import Final

from qtap.wire.http2_frames import HEADER, PREFACE, SETTINGS, SIZE, Block, FrameStream, is_frame

_MOST_HELD: Final = 1 << 18
_REQUEST_FIELDS: Final = (b":method", b":scheme", b":path", b":authority")


def begins_client(data: bytes) -> bool:
    """Tell whether `data` begins as the client's first bytes do (RFC 9113 section 3.4)."""
    return data.startswith(PREFACE)


def begins_server(data: bytes) -> bool:
    """Tell whether `data` begins with a SETTINGS frame, as the server's first bytes do."""
    if len(data) < SIZE:
        return False
    high, low, kind, flags, stream = HEADER.unpack_from(data)
    return kind == SETTINGS and not flags and not high and is_frame(low, kind, flags, stream)


def begins_frame(data: bytes) -> bool:
    """Tell whether `data` begins with a frame's header, which no request of HTTP/1 does."""
    if len(data) < SIZE:
        return False
    high, low, kind, flags, stream = HEADER.unpack_from(data)
    return is_frame(high << 8 | low, kind, flags, stream)


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

    __slots__ = ("_judges", "_size", "_streams", "held")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: bytes passed unseen, or too many without a verdict."""
        self.held: list[tuple[int, bytes, int, bool]] = []
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
        elif self.held and not any(one.in_step or one.promising for one in self._streams):
            self.forget()
        return None

    def _hold(self, direction: int, data: bytes, at: int, *, boundary: bool) -> None:
        self.held.append((direction, data, at, boundary))
        self._size += len(data)

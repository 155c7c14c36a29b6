"""One direction of an HTTP/2 connection: its frames (RFC 9113 section 4).

A direction is in step when it knows where the next frame begins: right behind the last one. After a loss it is so only within
the payload of a DATA frame, whose length was announced; else `http2_resync` looks for the next frame.
"""

from __future__ import annotations

from functools import partial
from typing import Final, Protocol

from qtap.wire.http2_blocks import Block, Blocks
from qtap.wire.http2_resync import Resync
from qtap.wire.http2_syntax import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLAGS,
    GOAWAY,
    HEADER,
    HEADERS,
    PADDED,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SIZE,
    STREAM,
    WITH_PRIORITY,
    fragment,
    is_frame,
)

MAX_HELD: Final = 1 << 20
"""Bytes held of a frame other than DATA; a longer one counts as lost."""
_LARGE: Final = 1 << 14
"""Bytes of a half-read frame or block from which it is given up when memory is short."""
_SURROUNDED: Final = PADDED | WITH_PRIORITY


class Frames(Protocol):
    """Takes the frames of one direction; stream 0 is of frames that count for nothing."""

    def data(self, stream: int, piece: bytes, wire: int, at: int) -> None:
        """Take bytes of a body; `wire` counts them with their frame."""

    def data_ended(self, stream: int, at: int) -> None:
        """Take the end of the last DATA frame of a body."""

    def headers(self, stream: int, block: Block, at: int, *, ends: bool) -> None:
        """Take a header block; `ends`: nothing follows on this stream."""

    def promise(self, promised: int, block: Block, at: int) -> None:
        """Take a PUSH_PROMISE."""

    def reset(self, stream: int, code: int, at: int) -> None:
        """Take an RST_STREAM."""

    def goaway(self, last: int, at: int) -> None:
        """Take a GOAWAY."""

    def data_lost(self, stream: int, size: int, at: int) -> None:
        """Take note of bytes of a body that were lost, exactly so many."""

    def frames_lost(self) -> None:
        """Take note that any number of frames may have passed unseen."""


class FrameStream:
    """Reads one direction, frame by frame."""

    __slots__ = (
        "_blocks", "_buffer", "_ends", "_frames", "_left", "_need", "_padded", "_padding", "_preface", "_resync", "_stream",
        "done", "in_step",
    )  # fmt: skip

    def __init__(self, frames: Frames, *, in_step: bool, fresh: bool, preface: bool) -> None:
        """Begin at a frame (`in_step`), with the connection's first header block (`fresh`), behind the client's preface."""
        self._frames = frames
        self._blocks = Blocks(fresh=fresh)
        self.in_step = in_step
        self.done = False
        """Nothing more is read."""
        self._preface = preface
        self._buffer = bytearray()
        """A frame, not DATA, or the preface, of which only a part has come."""
        self._resync = Resync()
        self._need = 0
        """Bytes that `_buffer` must hold before it is worth a look."""
        self._left = 0
        """Bytes of the current DATA frame that are to come, padding apart, or of a frame that is passed over."""
        self._padding = 0
        self._padded = False
        """The next byte is the length of the padding."""
        self._stream = 0
        """Of the current DATA frame; 0 when it is one that is passed over."""
        self._ends = False

    @property
    def idle(self) -> bool:
        """Nothing is half read."""
        return not (self._buffer or self._left or self._padding or self._blocks.stream)

    @property
    def promising(self) -> bool:
        """Out of step, but perhaps not when more has come."""
        return bool(self._resync.promise)

    @property
    def _half_read(self) -> int:
        return len(self._buffer) + self._blocks.held

    @property
    def held(self) -> int:
        """Bytes of memory: of a frame, or a header block, that is arriving, and of the dynamic table."""
        return 0 if self.done else self._half_read + len(self._resync.promise) + self._blocks.table

    def keep_no_more(self) -> None:
        """Give up a large frame or header block that is only half there, and old fields: memory is short."""
        if self._half_read > _LARGE:
            self._lose_step()
        self._resync.promise = b""
        self._blocks.shrink()

    def feed(self, data: bytes, at: int, boundary: bool) -> None:
        """Read what one call, or a later part of it, carried."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        elif not self.in_step:
            data = self._resync.frames(data, boundary)
            if not data:
                return
            self.in_step = True
        pos, size = self._behind_preface(data) if self._preface else 0, len(data)
        while 0 <= pos < size:
            pos = self._read_data(data, pos, at) if self._left or self._padding else self._read_frame(data, pos, at)

    def gap(self, size: int, at: int) -> None:
        """Go on after `size` lost bytes (below 0: unknown how many)."""
        rest = self._left + self._padding
        if 0 < size <= rest and not self._padded:
            self._pass_data(size, at)
        elif self.in_step or self._buffer:
            if rest and not self._padded:
                self._pass_data(rest, at)  # a body is missing as much as its frame announced, whatever else is missing
            self._lose_step()
        else:
            self._resync.promise = b""
            self._blocks.lose()
            self._frames.frames_lost()

    def _pass_data(self, size: int, at: int) -> None:
        """Count `size` lost bytes, of which all lie within the current frame."""
        lost = min(size, self._left)
        self._left -= lost
        self._padding -= size - lost
        if lost:
            self._frames.data_lost(self._stream, lost, at)
        if not self._left and not self._padding:
            self._end_data(at)

    def _read_frame(self, data: bytes, pos: int, at: int) -> int:
        """Read the frame at `pos`, as far as it has come; give the position behind that, or -1 when nothing is left to read."""
        size = len(data)
        if size - pos < SIZE:
            return self._hold(data, pos, SIZE)
        high, low, kind, flags, stream = HEADER.unpack_from(data, pos)
        length: int = high << 8 | low
        stream &= STREAM
        start = pos + SIZE
        end = start + length
        if kind == DATA and end <= size and not flags & PADDED:
            self._frames.data(stream, data[start:end], SIZE + length, at)
            if flags & END_STREAM:
                self._frames.data_ended(stream, at)
            return end
        if kind == DATA or kind > CONTINUATION or length > MAX_HELD:
            self._begin(kind, length, flags, stream, at)
            return start
        if end > size:
            return self._hold(data, pos, SIZE + length)
        if self._take(kind, flags, stream, data[start:end], at):
            return end
        self._lose_step()
        return -1

    def _hold(self, data: bytes, pos: int, need: int) -> int:
        self._buffer += data[pos:]
        self._need = need
        return -1

    def _lose_step(self) -> None:
        self.in_step = self._padded = self._preface = False
        self._buffer.clear()
        self._left = self._padding = 0
        self._blocks.lose()
        self._frames.frames_lost()

    def _behind_preface(self, data: bytes) -> int:
        """Give the position behind the preface, or -1 when it is not whole, or none."""
        if data.startswith(PREFACE):
            self._preface = False
            return len(PREFACE)
        if PREFACE.startswith(data):
            return self._hold(data, 0, len(PREFACE))
        self._lose_step()
        return -1

    def _begin(self, kind: int, length: int, flags: int, stream: int, at: int) -> None:
        """Begin DATA, or a frame that is of no interest (RFC 9113 section 5.5) or too long to be held."""
        if kind == DATA:
            self._begin_data(length, flags, stream, at)
            return
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            self._blocks.lose()
            self._frames.frames_lost()
        self._stream, self._ends, self._left = 0, False, length

    def _begin_data(self, length: int, flags: int, stream: int, at: int) -> None:
        self._stream, self._ends, self._left, self._padding = stream, bool(flags & END_STREAM), length, 0
        self._padded = bool(flags & PADDED and length)
        self._frames.data(stream, b"", SIZE, at)
        if not length:
            self._end_data(at)

    def _read_data(self, data: bytes, pos: int, at: int) -> int:
        if self._padded:
            self._padded = False
            self._padding = min(data[pos], self._left - 1)
            self._left -= 1 + self._padding
            self._frames.data(self._stream, b"", 1 + self._padding, at)
            pos += 1
        end = min(pos + self._left, len(data))
        if end > pos:
            self._left -= end - pos
            self._frames.data(self._stream, data[pos:end], end - pos, at)
            pos = end
        if not self._left:
            passed = min(self._padding, len(data) - pos)
            self._padding -= passed
            pos += passed
            if not self._padding:
                self._end_data(at)
        return pos

    def _end_data(self, at: int) -> None:
        if self._ends:
            self._frames.data_ended(self._stream, at)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes, at: int) -> bool:
        """Take a whole frame other than DATA; False when no peer that speaks HTTP/2 sends it here."""
        blocks = self._blocks
        if kind == HEADERS and not blocks.stream:
            return stream > 0 and self._take_headers(flags, stream, payload, at)
        if kind == CONTINUATION:
            return bool(stream) and stream == blocks.stream and self._go_on(payload, at, ends=bool(flags & END_HEADERS))
        if blocks.stream:
            return False
        if kind == PUSH_PROMISE:
            return stream > 0 and self._take_promise(flags, stream, payload, at)
        if kind == RST_STREAM and len(payload) == 4:  # noqa: PLR2004 - RFC 9113 section 6.4
            self._frames.reset(stream, int.from_bytes(payload), at)
        elif kind == GOAWAY and len(payload) >= 8:  # noqa: PLR2004 - section 6.8
            self._frames.goaway(int.from_bytes(payload[:4]) & STREAM, at)
        return is_frame(len(payload), kind, flags & FLAGS[kind], stream)

    def _take_headers(self, flags: int, stream: int, payload: bytes, at: int) -> bool:
        piece = fragment(payload, flags) if flags & _SURROUNDED else payload
        if piece is None:
            return False
        ends = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._frames.headers(stream, self._blocks.decode(piece, len(payload)), at, ends=ends)
        else:
            self._blocks.begin(stream, piece, len(payload), partial(self._frames.headers, stream, ends=ends))
        return True

    def _take_promise(self, flags: int, stream: int, payload: bytes, at: int) -> bool:
        piece = fragment(payload, flags & PADDED)
        if piece is None or len(piece) < 4:  # noqa: PLR2004 - RFC 9113 section 6.6
            return False
        promised = int.from_bytes(piece[:4]) & STREAM
        self._blocks.begin(stream, piece[4:], len(payload), partial(self._frames.promise, promised))
        if flags & END_HEADERS:
            self._blocks.end(at)
        return True

    def _go_on(self, payload: bytes, at: int, *, ends: bool) -> bool:
        if not self._blocks.add(payload):
            return False
        if ends:
            self._blocks.end(at)
        return True

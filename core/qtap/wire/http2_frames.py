"""One direction of an HTTP/2 connection: its frames (RFC 9113 section 4).

A direction is in step when it knows where the next frame begins: right behind the last one. Out of step, after a loss or where
the connection was open before capture, it waits for a captured call that begins with frames, and is not convinced by less than
a chain of them that ends where the call does. Some readers, Go's server among them, take the header of a frame and its payload
by two calls, and so never by one that holds a frame: these two count as one. So do the parts of a call that gathers them from
several places in memory, as gRPC's writes do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from qtap.wire.hpack import Decoder, Entry

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20
_SURROUNDED: Final = PADDED | WITH_PRIORITY
HEADER: Final = struct.Struct(">HBBBI")
"""Length (two bytes and one), type, flags, stream."""
SIZE: Final = HEADER.size

MAX_HELD: Final = 1 << 20
"""Bytes held of a frame other than DATA, and of a header block; a longer one counts as lost."""
_LARGE: Final = 1 << 14
"""Bytes of a half-read frame or block from which it is given up when memory is short."""
_MAX_FRAME: Final = 1 << 20
"""Bytes of a frame that is believed out of step: 16 KB by default, 1 MB with Go, 16 MB in theory."""
_CONVINCING: Final = 3
"""Whole frames that convince where a call ends within another."""
_MOST_PROMISED: Final = 1 << 15
"""Bytes of a call that are held until they are a chain or not."""
_NO_STREAM: Final = frozenset((SETTINGS, PING, GOAWAY))
_FLAGS: Final = {
    DATA: 0x09, HEADERS: 0x2D, PRIORITY: 0, RST_STREAM: 0, SETTINGS: 0x01, PUSH_PROMISE: 0x0C, PING: 0x01, GOAWAY: 0,
    WINDOW_UPDATE: 0, CONTINUATION: 0x04,
}  # fmt: skip
_LENGTHS: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_STREAM: Final = 0x7FFFFFFF


class Block(NamedTuple):
    """A whole header block."""

    entries: list[Entry] | None
    """None when it is malformed."""
    unknown: int
    """How many of its fields are not known, or not wholly."""
    wire: int
    """Bytes of its frames."""


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


def is_frame(length: int, kind: int, flags: int, stream: int) -> bool:
    """Tell whether this is the header of a frame that a well-behaved peer sends."""
    if kind > CONTINUATION or flags & ~_FLAGS[kind] or stream > _STREAM or length > _MAX_FRAME:
        return False
    if kind == WINDOW_UPDATE:
        return length == 4  # noqa: PLR2004 - RFC 9113 section 6.9
    if (stream == 0) != (kind in _NO_STREAM):
        return False
    if kind == SETTINGS:
        return length % 6 == 0 and not (flags and length)
    return length == _LENGTHS.get(kind, length) and (kind != GOAWAY or length >= 8)  # noqa: PLR2004 - section 6.8


def is_chain(data: bytes, pos: int = 0) -> bool:
    """Tell whether `data` begins with frames, and not by chance: whole ones up to its end, or several, or one with headers."""
    size, whole = len(data), 0
    while size - pos >= SIZE:
        high, low, kind, flags, stream = HEADER.unpack_from(data, pos)
        length = high << 8 | low
        if not is_frame(length, kind, flags, stream):
            return False
        pos += SIZE + length
        if pos > size:
            break
        whole += 1
        if kind == HEADERS and flags & END_HEADERS:
            if not _is_block(data[pos - length : pos], flags):
                return False
            whole += _CONVINCING
    return whole > 0 and (pos == size or whole >= _CONVINCING)


def _is_block(payload: bytes, flags: int) -> bool:
    block = fragment(payload, flags)
    return block is not None and Decoder(fresh=False).decode(block) is not None


def fragment(payload: bytes, flags: int) -> bytes | None:
    """Give the piece of a header block that a HEADERS frame carries (RFC 9113 section 6.2); None when its padding is wrong."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            return None
        start, end = 1, end - payload[0]
    if flags & WITH_PRIORITY:
        start += 5
    return payload[start:end] if start <= end else None


class FrameStream:
    """Reads one direction, frame by frame."""

    __slots__ = (
        "_block", "_block_stream", "_block_then", "_block_wire", "_buffer", "_decoder", "_ends", "_frames", "_left", "_need",
        "_padded", "_padding", "_preface", "_promise", "_stream", "done", "in_step",
    )  # fmt: skip

    def __init__(self, frames: Frames, *, in_step: bool, fresh: bool, preface: bool) -> None:
        """Begin at a frame (`in_step`), with the connection's first header block (`fresh`), behind the client's preface."""
        self._frames = frames
        self._decoder = Decoder(fresh=fresh)
        self.in_step = in_step
        self.done = False
        """Nothing more is read."""
        self._preface = preface
        self._buffer = bytearray()
        """A frame, not DATA, or the preface, of which only a part has come."""
        self._promise = b""
        """What the last call carried so far, out of step, when it may be the beginning of frames."""
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
        self._block: list[bytes] = []
        """Pieces of a header block that goes on in CONTINUATION frames."""
        self._block_wire = 0
        self._block_stream = 0
        """0: no such block is open."""
        self._block_then: Callable[[Block, int], None] = lambda _block, _at: None

    @property
    def idle(self) -> bool:
        """Nothing is half read."""
        return not (self._buffer or self._left or self._padding or self._block_stream)

    @property
    def promising(self) -> bool:
        """Out of step, but perhaps not when more has come."""
        return bool(self._promise)

    @property
    def held(self) -> int:
        """Bytes kept of a frame, or a header block, that is arriving."""
        return 0 if self.done else len(self._buffer) + (self._block_wire if self._block_stream else 0)

    def keep_no_more(self) -> None:
        """Give up a large frame or header block that is only half there: memory is short."""
        if self.held > _LARGE:
            self._lose_step()

    def feed(self, data: bytes, at: int, boundary: bool) -> None:
        """Read what one call, or a later part of it, carried."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        elif not self.in_step:
            data = self._chain(data, boundary)
            if not data:
                return
            self.in_step = True
        pos, size = self._behind_preface(data) if self._preface else 0, len(data)
        while 0 <= pos < size:
            pos = self._read_data(data, pos, at) if self._left or self._padding else self._read_frame(data, pos, at)

    def gap(self, size: int, at: int) -> None:
        """Go on after `size` lost bytes (below 0: unknown how many)."""
        if 0 < size <= self._left and not self._padded:
            self._left -= size
            self._frames.data_lost(self._stream, size, at)
            if not self._left and not self._padding:
                self._end_data(at)
        elif self.in_step or self._buffer:
            self._lose_step()
        else:
            self._promise = b""
            self._decoder.lose()
            self._frames.frames_lost()

    def _chain(self, data: bytes, boundary: bool) -> bytes:
        """Give the frames that this call begins with, or it and the one before; none when there are no such, or not yet."""
        before, self._promise = self._promise, b""
        if before and (not boundary or len(before) == SIZE) and is_chain(before + data):
            return before + data
        if boundary and is_chain(data):
            return data
        begun = data if boundary else before + data if before else b""
        if SIZE <= len(begun) <= _MOST_PROMISED:
            high, low, kind, flags, stream = HEADER.unpack_from(begun)
            self._promise = bytes(begun) if is_frame(high << 8 | low, kind, flags, stream) else b""
        return b""

    def _read_frame(self, data: bytes, pos: int, at: int) -> int:
        """Read the frame at `pos`, as far as it has come; give the position behind that, or -1 when nothing is left to read."""
        size = len(data)
        if size - pos < SIZE:
            return self._hold(data, pos, SIZE)
        high, low, kind, flags, stream = HEADER.unpack_from(data, pos)
        length: int = high << 8 | low
        stream &= _STREAM
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
        self._block = []
        self._left = self._padding = self._block_stream = 0
        self._decoder.lose()
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
            self._decoder.lose()
            self._block_stream = 0
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
        if kind == HEADERS and not self._block_stream:
            return stream > 0 and self._take_headers(flags, stream, payload, at)
        if kind == CONTINUATION:
            return bool(stream) and stream == self._block_stream and self._continue_block(flags, payload, at)
        if self._block_stream:
            return False
        if kind == PUSH_PROMISE:
            return stream > 0 and self._take_promise(flags, stream, payload, at)
        if kind == RST_STREAM and len(payload) == 4:  # noqa: PLR2004 - RFC 9113 section 6.4
            self._frames.reset(stream, int.from_bytes(payload), at)
        elif kind == GOAWAY and len(payload) >= 8:  # noqa: PLR2004 - section 6.8
            self._frames.goaway(int.from_bytes(payload[:4]) & _STREAM, at)
        return is_frame(len(payload), kind, flags & _FLAGS[kind], stream)

    def _take_headers(self, flags: int, stream: int, payload: bytes, at: int) -> bool:
        piece = fragment(payload, flags) if flags & _SURROUNDED else payload
        if piece is None:
            return False
        ends = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            entries = self._decoder.decode(piece)
            self._frames.headers(stream, Block(entries, self._decoder.unknown, SIZE + len(payload)), at, ends=ends)
            return True
        then = partial(self._frames.headers, stream, ends=ends)
        return self._begin_block(stream, piece, SIZE + len(payload), then)

    def _take_promise(self, flags: int, stream: int, payload: bytes, at: int) -> bool:
        piece = fragment(payload, flags & PADDED)
        if piece is None or len(piece) < 4:  # noqa: PLR2004 - RFC 9113 section 6.6
            return False
        then = partial(self._frames.promise, int.from_bytes(piece[:4]) & _STREAM)
        self._begin_block(stream, piece[4:], SIZE + len(payload), then)
        return not flags & END_HEADERS or self._end_block(at)

    def _begin_block(self, stream: int, piece: bytes, wire: int, then: Callable[[Block, int], None]) -> bool:
        self._block_stream, self._block, self._block_wire, self._block_then = stream, [piece], wire, then
        return True

    def _continue_block(self, flags: int, payload: bytes, at: int) -> bool:
        self._block.append(payload)
        self._block_wire += SIZE + len(payload)
        if self._block_wire > MAX_HELD:
            return False
        return not flags & END_HEADERS or self._end_block(at)

    def _end_block(self, at: int) -> bool:
        entries = self._decoder.decode(b"".join(self._block))
        self._block, self._block_stream = [], 0
        self._block_then(Block(entries, self._decoder.unknown, self._block_wire), at)
        return True

"""The form of HTTP/2 frames (RFC 9113 sections 4 and 6), and how they are told from other bytes."""

from __future__ import annotations

import struct
from typing import Final

from qtap.wire.hpack import Decoder

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20
HEADER: Final = struct.Struct(">HBBBI")
"""Length (two bytes and one), type, flags, stream."""
SIZE: Final = HEADER.size
STREAM: Final = 0x7FFFFFFF
"""The bits of the last field that are the stream's number."""
FLAGS: Final = {
    DATA: 0x09, HEADERS: 0x2D, PRIORITY: 0, RST_STREAM: 0, SETTINGS: 0x01, PUSH_PROMISE: 0x0C, PING: 0x01, GOAWAY: 0,
    WINDOW_UPDATE: 0, CONTINUATION: 0x04,
}  # fmt: skip
"""The flags that mean something, by type."""

_MAX_FRAME: Final = 1 << 20
"""Bytes of a frame that is believed out of step: 16 KB by default, 1 MB with Go, 16 MB in theory."""
_CONVINCING: Final = 3
"""Whole frames that convince where a call ends within another."""
_NO_STREAM: Final = frozenset((SETTINGS, PING, GOAWAY))
_LENGTHS: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}


def is_frame(length: int, kind: int, flags: int, stream: int) -> bool:
    """Tell whether this is the header of a frame that a well-behaved peer sends."""
    if kind > CONTINUATION or flags & ~FLAGS[kind] or stream > STREAM or length > _MAX_FRAME:
        return False
    if kind == WINDOW_UPDATE:
        return length == 4  # noqa: PLR2004 - RFC 9113 section 6.9
    if (stream == 0) != (kind in _NO_STREAM):
        return False
    if kind == SETTINGS:
        return length % 6 == 0 and not (flags and length)
    return length == _LENGTHS.get(kind, length) and (kind != GOAWAY or length >= 8)  # noqa: PLR2004 - section 6.8


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


def _is_block(payload: bytes, flags: int) -> bool:
    block = fragment(payload, flags)
    return block is not None and Decoder(fresh=False).decode(block) is not None

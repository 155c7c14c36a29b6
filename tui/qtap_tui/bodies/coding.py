"""Content codings (RFC 9110 section 8.4.1) taken off a body, whole or cut, with an end to what a bomb may unpack."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from qtap_tui import formats

LIMIT = 4 << 20
"""Bytes of a body after decoding that are shown; a bomb stops here too."""
_MAX_CODINGS = 4
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's window bits for each framing."""


class Decoded(NamedTuple):
    """A body without its codings."""

    data: bytes
    notes: tuple[str, ...]
    """What the user should know: codings that were taken off, are unknown, broken or unpack to too much."""


def decode(data: bytes, codings: str) -> Decoded:
    """Take off what `codings` (a Content-Encoding value) names, last one first."""
    names = [name.strip().lower() for name in codings.split(",") if name.strip().lower() not in ("", "identity")]
    if len(names) > _MAX_CODINGS:
        return Decoded(data, (f"{len(names)} content codings; shown as it is",))
    notes: list[str] = []
    for name in reversed(names):
        try:
            data, note = _take_off(data, name)
        except _CannotDecodeError as error:
            return Decoded(data, (*notes, f"{error}; shown as it is"))
        notes.append(note)
    return Decoded(data, tuple(notes))


class _CannotDecodeError(Exception):
    """The coding cannot be taken off; the text says why."""


def _take_off(data: bytes, name: str) -> tuple[bytes, str]:
    if name in ("gzip", "x-gzip"):
        found = _inflate(data, (_GZIP,), name)
    elif name == "deflate":
        # RFC 9110 section 8.4.1.2: some senders leave the zlib framing out.
        found = _inflate(data, (_ZLIB, _RAW), name)
    elif name == "zstd":
        found = _unzstd(data)
    else:
        raise _CannotDecodeError("brotli cannot be decoded here" if name == "br" else f"unknown content coding {name[:40]!r}")
    size = formats.size(len(data))
    if len(found) > LIMIT:
        return found[:LIMIT], f"{name}: {size} unpack to more than {formats.size(LIMIT)}; shown up to there"
    return found, f"{name}, {size}"


def _inflate(data: bytes, windows: tuple[int, ...], name: str) -> bytes:
    for window in windows:
        found = _inflate_as(data, window)
        if found or not data:
            return found
    raise _CannotDecodeError(f"not {name}")


def _inflate_as(data: bytes, window: int) -> bytes:
    """Unpack what there is, several members included (RFC 1952 section 2.2), up to one byte beyond the limit."""
    out, room = [], LIMIT + 1
    while data and room > 0:
        unpacker = zlib.decompressobj(window)
        try:
            piece = unpacker.decompress(data, room)
        except zlib.error:
            # What comes before the fault is worth showing; byte by byte is the way zlib gives it.
            out.append(_before_fault(data, window, room))
            break
        out.append(piece)
        room -= len(piece)
        data = unpacker.unused_data if window == _GZIP else b""
    return b"".join(out)


def _before_fault(data: bytes, window: int, room: int) -> bytes:
    unpacker, out = zlib.decompressobj(window), bytearray()
    try:
        for at in range(0, len(data), 64):
            out += unpacker.decompress(data[at : at + 64], room - len(out))
            if len(out) >= room:
                break
    except zlib.error:
        pass
    return bytes(out)


def _unzstd(data: bytes) -> bytes:
    import zstandard  # noqa: PLC0415  11 ms, for the few bodies that need it

    out = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data, read_across_frames=True) as reader:
            while len(out) <= LIMIT and (piece := reader.read(1 << 16)):
                out += piece
    except zstandard.ZstdError:
        pass
    if not out and data:
        raise _CannotDecodeError("not zstd")
    return bytes(out[: LIMIT + 1])

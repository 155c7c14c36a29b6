"""Bytes of a file or pipe to whole lines, in bounded memory; zstd is recognized by its first bytes, whatever the name says."""

from __future__ import annotations

import io
from collections.abc import Iterator

import zstandard

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""RFC 8878 section 3.1.1."""
_CHUNK = 1 << 16
_BITE = 256
"""Compressed bytes at a time: with blocks of 128 KiB in four bytes each, a bomb gets 8 MiB, and its window 128 MiB."""


class DamagedError(Exception):
    """What follows cannot be decompressed or read; the text says why."""


class LineReader:
    """Gives the lines of `raw` when iterated, once: each with its newline, the last one perhaps without.

    A line longer than `limit` bytes is given as empty bytes, so that line numbers stay right. A pipe is read as its bytes come,
    and a compressed stream that was cut off gives what its last whole block holds.

    Raises:
        DamagedError: while iterating, when the rest cannot be read.
    """

    def __init__(self, raw: io.RawIOBase, limit: int) -> None:
        self._raw = raw
        self._limit = limit
        self._first = b""
        self.cut = False
        """Once read: the compressed stream breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        held = bytearray()
        skipping = False
        for chunk in self._chunks():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line = b"" if skipping or len(held) + len(end) > self._limit else bytes(held) + end + b"\n"
                held, skipping = bytearray(), False
                yield line
            held += rest
            if len(held) > self._limit:
                held, skipping = bytearray(), True
        if held or skipping:
            yield bytes(held)

    def _read(self) -> bytes:
        first, self._first = self._first, b""
        return first or self._raw.read(_CHUNK) or b""

    def _decompressed(self) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor()
        frame = decompressor.decompressobj()
        while chunk := self._read():
            for at in range(0, len(chunk), _BITE):
                data = chunk[at : at + _BITE]
                while data:
                    if frame.eof:
                        frame = decompressor.decompressobj()
                    if found := frame.decompress(data):
                        yield found
                    data = frame.unused_data if frame.eof else b""
        self.cut = not frame.eof

    def _chunks(self) -> Iterator[bytes]:
        try:
            while len(self._first) < len(_ZSTD_MAGIC) and (some := self._raw.read(_CHUNK)):
                self._first += some
            if self._first.startswith(_ZSTD_MAGIC):
                yield from self._decompressed()
            else:
                yield from iter(self._read, b"")
        except zstandard.ZstdError as error:
            raise DamagedError(f"the compressed data is damaged ({error})") from None
        except OSError as error:
            raise DamagedError(f"it cannot be read ({error.strerror or error})") from None

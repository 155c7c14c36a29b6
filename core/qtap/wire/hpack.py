"""A partial HPACK decoder (RFC 7541): right from the first block, and never wrong from any other.

A block refers to entries of the dynamic table by how many were inserted since. So one insertion that was not seen would shift
every later reference, unless the decoder knows what it does not know: it counts only the insertions that it saw, and a
reference beyond them is an unknown field, shown as `‹unknown #n›`, the n-th youngest of the entries that were there before.
Since references go by age alone, sizes and evictions matter to memory only: an eviction not seen shifts nothing.

A malformed block makes the rest of its table unknown, for the encoder's insertions behind the fault were not seen.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from qtap.wire import huffman

Entry = tuple[bytes | None, bytes, bytes]
"""Name, value, and both as a header line; the name is None when it is not known."""

_FIRST_CAPACITY: Final = 4096
"""RFC 9113 section 6.5.2: SETTINGS_HEADER_TABLE_SIZE."""
_LATE_CAPACITY: Final = 1 << 16
"""Bytes kept when the encoder's choice was not seen: what browsers and Go allow."""
_MOST_CAPACITY: Final = 1 << 18
_OVERHEAD: Final = 32
"""RFC 7541 section 4.1."""
_STATIC_SIZE: Final = 61
_LAST_STATIC: Final = 0x80 | _STATIC_SIZE
"""The byte that refers to the last static entry."""
_MAX_SHIFT: Final = 56
"""An integer that goes on beyond 63 bits is malformed."""
_MAX_NAMES: Final = 4096
_MAX_NAME: Final = 64
# RFC 9113 section 8.2.1: what a name may hold. Anything else is shown escaped, so that it can never be read as another line.
_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_INDEXED = re.compile(rb"[\x81-\xfe]+")
_LINE_BREAKS = re.compile(rb"[\r\n]")
_UNSAFE = re.compile(rb"[^!-9;-~]|(?<!^):")
_names: dict[bytes, bytes] = {}


class _MalformedError(Exception):
    pass


def line_of(name: bytes, value: bytes) -> bytes:
    """Write a field as a header line; CR and LF, which HTTP/2 could carry, are escaped."""
    return _line(_names.get(name) or _written(name), value)


def _line(name: bytes, value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value:
        value = _LINE_BREAKS.sub(lambda found: b"\\r" if found[0] == b"\r" else b"\\n", value)
    return b"%b: %b\r\n" % (name, value)


def _written(name: bytes) -> bytes:
    text = name
    if not _NAME.fullmatch(name):
        text = _UNSAFE.sub(lambda found: b"\\x%02x" % found[0][0], name) or b"\\x"
    if len(_names) < _MAX_NAMES and len(name) <= _MAX_NAME:
        _names[name] = text
    return text


def _static() -> list[Entry]:
    entries: list[Entry] = [(None, b"", b"")]
    for field in _STATIC_FIELDS.split():
        name, _, value = field.encode().partition(b"=")
        value = value.replace(b",", b", ")
        entries.append((name, value, line_of(name, value)))
    return entries


# RFC 7541 appendix A.
_STATIC_FIELDS: Final = """
:authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 :status=206
:status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,deflate accept-language accept-ranges
accept access-control-allow-origin age allow authorization cache-control content-disposition content-encoding content-language
content-length content-location content-range content-type cookie date etag expect expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate
proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent
vary via www-authenticate
"""
_STATIC: Final = _static()


class Decoder:
    """Decodes the header blocks of one direction of one connection, in order."""

    __slots__ = ("_capacity", "_inserted", "_size", "_table", "_tainted", "unknown")

    def __init__(self, *, fresh: bool) -> None:
        """Begin with an empty table (`fresh`: the first block of the connection comes first), else with an unknown one."""
        self._table: deque[Entry] = deque()
        self._size = 0
        self._inserted = 0
        """Since the table was last empty or unknown."""
        self._capacity = _FIRST_CAPACITY if fresh else _LATE_CAPACITY
        self.unknown = 0
        """How many fields of the last block are not known, or not wholly."""
        self._tainted = False
        """There was one ever; the table may hold values of unknown name."""

    @property
    def held(self) -> int:
        """Bytes of memory of the table, about: a field is kept as its name, its value, and both as a line."""
        return 3 * self._size

    def shrink(self) -> None:
        """Forget the oldest entries of a table that is larger than the usual one: memory is short."""
        self._evict(_FIRST_CAPACITY)

    def lose(self) -> None:
        """Forget the table: a block passed unseen."""
        self._table.clear()
        self._size = self._inserted = 0
        self._capacity = max(self._capacity, _LATE_CAPACITY)

    def decode(self, block: bytes) -> list[Entry] | None:
        """Give the fields of one whole block, or None when it is malformed."""
        try:
            entries = self._decode(block)
        except (IndexError, _MalformedError):
            self.lose()
            entries = None
        if self._tainted:
            self.unknown = sum(name is None for name, _, _ in entries or ())
        return entries

    def _decode(self, block: bytes) -> list[Entry]:
        entries: list[Entry] = []
        pos, size = 0, len(block)
        while pos < size:
            byte = block[pos]
            if 0x80 < byte < 0xFF:  # noqa: PLR2004 - RFC 7541 section 6.1: indexed field, its index within the prefix
                pos = self._add_indexed(block, pos, entries)
            elif byte >= 0x80:  # noqa: PLR2004 - likewise, its index longer
                index, pos = _integer(block, pos, 0x7F)
                entries.append(self._entry(index))
            elif 0x20 <= byte < 0x40:  # noqa: PLR2004 - section 6.3: dynamic table size update
                capacity, pos = _integer(block, pos, 0x1F)
                self._resize(capacity)
            else:
                entry, pos = self._literal(block, pos)
                entries.append(entry)
        return entries

    def _add_indexed(self, block: bytes, pos: int, entries: list[Entry]) -> int:
        """Add the fields of a run of one-byte references, as most blocks are for the most part; give the position behind."""
        append, static, table = entries.append, _STATIC, self._table
        run = _INDEXED.match(block, pos)
        assert run is not None
        for byte in run[0]:
            if byte <= _LAST_STATIC:
                append(static[byte & 0x7F])
                continue
            try:
                append(table[_LAST_STATIC - byte])
            except IndexError:
                append(self._unknown(byte & 0x7F, b""))
        return run.end()

    def _literal(self, block: bytes, pos: int) -> tuple[Entry, int]:
        """Read a literal field, to be inserted into the table or not (RFC 7541 section 6.2); give it and the next position."""
        byte = block[pos]
        inserted = byte >= 0x40  # noqa: PLR2004 - section 6.2.1
        mask = 0x3F if inserted else 0x0F
        index = byte & mask
        name: bytes | None
        if not index:
            name, pos = _string(block, pos + 1)
        else:
            index, pos = _integer(block, pos, mask) if index == mask else (index, pos + 1)
            name = _STATIC[index][0] if index <= _STATIC_SIZE else self._entry(index)[0]
        value, pos = _string(block, pos)
        entry = self._unknown(index, value) if name is None else (name, value, line_of(name, value))
        if inserted:
            self._inserted += 1
            self._table.append(entry)
            self._size += len(value) + _OVERHEAD + len(name or b"")
            if self._size > self._capacity:
                self._evict(self._capacity)
        return entry, pos

    def _entry(self, index: int) -> Entry:
        if index <= _STATIC_SIZE:
            if not index:
                raise _MalformedError
            return _STATIC[index]
        if index - _STATIC_SIZE <= len(self._table):
            return self._table[_STATIC_SIZE - index]
        return self._unknown(index, b"")

    def _unknown(self, index: int, value: bytes) -> Entry:
        self._tainted = True
        number = index - _STATIC_SIZE - self._inserted
        # At most 0: an entry that was seen, and evicted here before the encoder's table let go of it.
        name = f"‹unknown #{number}›" if number > 0 else "‹unknown›"
        return None, value, _line(name.encode(), value)

    def _resize(self, capacity: int) -> None:
        self._capacity = min(capacity, _MOST_CAPACITY)
        self._evict(self._capacity)

    def _evict(self, capacity: int) -> None:
        while self._size > capacity:
            name, value, _ = self._table.popleft()
            self._size -= len(value) + _OVERHEAD + len(name or b"")


def _integer(block: bytes, pos: int, prefix: int) -> tuple[int, int]:
    """Read an integer whose prefix (all its bits set: `prefix`) is in the byte at `pos`; give it and the position behind it."""
    value, shift = block[pos] & prefix, 0
    pos += 1
    if value < prefix:
        return value, pos
    while True:
        byte = block[pos]
        pos += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - RFC 7541 section 5.1: the last one
            return value, pos
        shift += 7
        if shift > _MAX_SHIFT:
            raise _MalformedError


def _string(block: bytes, pos: int) -> tuple[bytes, int]:
    """Read a string literal (RFC 7541 section 5.2); give it and the position behind it."""
    byte = block[pos]
    length = byte & 0x7F
    length, pos = _integer(block, pos, 0x7F) if length == 0x7F else (length, pos + 1)  # noqa: PLR2004 - the prefix is full
    end = pos + length
    if end > len(block):
        raise _MalformedError
    raw = block[pos:end]
    if byte < 0x80:  # noqa: PLR2004 - not Huffman encoded
        return raw, end
    text = huffman.decode(raw)
    if text is None:
        raise _MalformedError
    return text, end

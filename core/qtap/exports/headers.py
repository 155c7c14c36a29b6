"""Header lines to the map of spec qtap.md 4.1: canonical names, one string a name.

The map is for programs that read JSON; captures and the screen keep the lines themselves. The lines of one host's traffic
repeat, so each line's name and value are remembered: 22 lines take 2.6 us instead of 5.8 us; and so are whole blocks of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from qtap.model.message import Message, split_fields

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2."""
# Bounded in number and length, so that hostile lines cannot fill memory: about 1 MB each at worst.
_MAX_NAMES = 4096
_MAX_NAME = 64
_MAX_LINES = 2048
_MAX_LINE = 256
_MAX_BLOCKS = 512
_MAX_BLOCK = 1024
_names: dict[str, str] = {}
_lines: dict[bytes, tuple[str, str]] = {}


def header_map(message: Message) -> Mapping[str, str]:
    """Give the header fields of `message`: repeated ones joined by `, `, `Set-Cookie` by a newline."""
    head = message.head
    block = head[head.find(b"\n") + 1 :] if head[:1] not in b"\r\n" else head.lstrip(b"\r\n").partition(b"\n")[2]
    return _read_block(block) if len(block) > _MAX_BLOCK else _known_block(block)


def _read_block(block: bytes) -> Mapping[str, str]:
    lines = block.split(b"\r\n")
    fields = _plain_map(lines[:-2]) if lines[-2:] == [b"", b""] else None
    return field_map(block) if fields is None else fields


_known_block = lru_cache(maxsize=_MAX_BLOCKS)(_read_block)


def field_map(block: bytes) -> dict[str, str]:
    """Give the fields of a block of header or trailer lines; a value that is not UTF-8 is read as Latin-1."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in split_fields(block):
        key, value = canonical_name(_text(raw_name)), _text(raw_value)
        if key in fields:
            value = fields[key] + _separator(key, next(iter(fields))) + value
        fields[key] = value
    return fields


def _separator(key: str, first: str) -> str:
    """Give what joins the values of repeated fields; HTTP/2, whose heads begin so, splits cookies (RFC 9113 section 8.2.3)."""
    if key == "Set-Cookie":
        return "\n"
    return "; " if key == "Cookie" and first[:1] in ":‹" else ", "


def canonical_name(name: str) -> str:
    """Write `user-agent` as `User-Agent`; a name that is no token (RFC 9110 section 5.1) stays as it is."""
    known = _names.get(name)
    if known is not None:
        return known
    written = "-".join([part.capitalize() for part in name.split("-")]) if _TOKEN.fullmatch(name) else name
    if len(_names) < _MAX_NAMES and len(name) <= _MAX_NAME:
        _names[name] = written
    return written


def _plain_map(lines: list[bytes]) -> dict[str, str] | None:
    """Read the lines that nearly every message has; None for anything unusual: repeated, folded or cut by a bare CR or LF."""
    pairs = list(map(_lines.get, lines))
    if not all(pairs):
        pairs = [pair or _learn(line) for pair, line in zip(pairs, lines, strict=True)]
        if not all(pairs):
            return None
    fields = dict(cast("list[tuple[str, str]]", pairs))
    return fields if len(fields) == len(lines) else None


def _learn(line: bytes) -> tuple[str, str] | None:
    if b"\n" in line or b"\r" in line or line[:1] in b" \t":
        return None
    colon = line.find(b":", 1)
    name, value = (line, b"") if colon < 0 else (line[:colon], line[colon + 1 :])
    pair = canonical_name(_text(name.rstrip())), _text(value.strip(b" \t"))
    if len(line) <= _MAX_LINE:
        if len(_lines) >= _MAX_LINES:
            _lines.clear()
        _lines[line] = pair
    return pair


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")

"""Answers of name servers (RFC 1035 section 4): which addresses a name has, and for how long."""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct(">6H")
"""ID, flags, and the counts of questions, answers, authorities, additional records."""
_RECORD: Final = struct.Struct(">HHIH")
"""TYPE, CLASS, TTL, RDLENGTH."""
_ANSWER, _FAILED = 0x8000, 0x000F
_A, _CNAME, _AAAA, _IN = 1, 5, 28, 1
_SIZES: Final = {_A: 4, _AAAA: 16}
_POINTER: Final = 0xC0
_MOST_JUMPS: Final = 16
_LONGEST: Final = 253
_MOST_RECORDS: Final = 64
# RFC 952 and 1123, and the underscore that services use: what is shown as a host must not be able to look like anything else.
_NAME: Final = re.compile(rb"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


class Answer(NamedTuple):
    """The addresses of one name."""

    name: str
    """The one that was asked for, in lower case, without the last dot."""
    addresses: tuple[bytes, ...]
    """Of 4 or 16 bytes."""
    ttl: int
    """Seconds: the least of all records used."""


class _MalformedError(Exception):
    pass


def parse(message: bytes) -> Answer | None:
    """Read an answer, following its aliases; None when it is none, names no address, or is malformed before one.

    What is cut off behind the records read does no harm.
    """
    if len(message) < _HEAD.size:
        return None
    _, flags, questions, answers, _, _ = _HEAD.unpack_from(message)
    if not flags & _ANSWER or flags & _FAILED or questions != 1:
        return None
    try:
        asked, at = _name(message, _HEAD.size)
    except _MalformedError:
        return None
    names, found, ttl = {asked}, [], 0xFFFFFFFF
    try:
        at += 4  # QTYPE and QCLASS
        for _ in range(min(answers, _MOST_RECORDS)):
            owner, at = _name(message, at)
            kind, group, lives, size = _RECORD.unpack_from(message, at)
            start = at + _RECORD.size
            at = start + size
            if group != _IN or owner not in names or at > len(message):
                continue
            if kind == _CNAME:
                names.add(_name(message, start)[0])
            elif size != _SIZES.get(kind):
                continue
            else:
                found.append(message[start:at])
            ttl = min(ttl, lives)
    except (_MalformedError, struct.error):
        pass
    if not found or len(asked) > _LONGEST or not _NAME.fullmatch(asked):
        return None
    return Answer(asked.decode(), tuple(found), ttl)


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """Read a name, in lower case, and give the position behind it (RFC 1035 section 4.1.4: pointers lead backwards)."""
    labels: list[bytes] = []
    end = jumps = 0
    while True:
        if at >= len(message):
            raise _MalformedError
        length = message[at]
        if length >= _POINTER:
            jumps += 1
            if at + 2 > len(message) or jumps > _MOST_JUMPS:
                raise _MalformedError
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        at += 1
        if not length:
            return b".".join(labels).lower(), end or at
        if length >= 64 or len(labels) > _LONGEST // 2:  # noqa: PLR2004 - other kinds of labels never came to be
            raise _MalformedError
        labels.append(message[at : at + length])
        at += length

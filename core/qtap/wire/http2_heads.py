"""What HTTP/2 header blocks say, and how they are written down (RFC 9113 section 8.3).

A head is kept in the form of HTTP/1: a start line made from the pseudo-header fields, then every field as a line, in order and
with its name as on the wire, pseudo-header fields included, then an empty line. What is not known stands as `‹unknown›`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from qtap.wire.hpack import Entry

MAX_HEAD: Final = 1 << 20
"""Bytes of a head, or of trailers, that are kept: references to long entries can unpack to thousands of times their size."""
UNKNOWN: Final = "‹unknown›".encode()
_FEW: Final = 64
"""Fields that cannot be too much together: a megabyte of literals and references to entries of at most 256 KB."""
_PSEUDO: Final = b":"[0]
_GRPC: Final = b"\r\ncontent-type: application/grpc"


class RequestHead(msgspec.Struct, gc=False):
    """A request's header block."""

    head: bytes
    method: str
    """Empty when it is not known; likewise the next two."""
    target: str
    """`:path`; of a CONNECT without it, the authority."""
    host: str
    connect: bytes | None
    """The protocol that a CONNECT asks for (RFC 8441), empty of a plain one (RFC 9113 section 8.5); None when it is none."""


def request_head(entries: list[Entry]) -> RequestHead:
    """Read a request."""
    pseudo = _pseudo_fields(entries)
    method, path, host = pseudo.get(b":method", b""), pseudo.get(b":path", b""), pseudo.get(b":authority", b"")
    connect = pseudo.get(b":protocol", b"") if method == b"CONNECT" else None
    if not host:
        host = next((value for name, value, _ in entries if name == b"host"), b"")
    target = path or (b"" if connect is None else host)
    start = b"%b %b HTTP/2\r\n" % (method or UNKNOWN, target or UNKNOWN)
    head = _join(start, entries)
    return RequestHead(head, method.decode("latin-1"), target.decode("latin-1"), host.decode("latin-1"), connect)


def response_head(entries: list[Entry]) -> tuple[int, bytes]:
    """Read a response; its status is 0 when it is not known."""
    status = _pseudo_fields(entries).get(b":status", b"")
    known = len(status) == 3 and status.isdigit()  # noqa: PLR2004 - RFC 9110 section 15
    return (int(status) if known else 0), _join(b"HTTP/2 %b\r\n" % (status or UNKNOWN), entries)


def trailer_lines(entries: list[Entry]) -> bytes:
    """Give the lines of a trailer section."""
    return _join(b"", entries)[:-2]


def are_trailers(entries: list[Entry] | None) -> bool:
    """Tell whether a block is surely no head: a head begins with a pseudo-header field."""
    return bool(entries) and (name := entries[0][0]) is not None and name[:1] != b":"  # type: ignore[index]


def is_grpc(head: bytes) -> bool:
    """Tell whether a message is gRPC's (its PROTOCOL-HTTP2.md): `application/grpc`, perhaps with `+proto` or a parameter."""
    at = head.find(_GRPC)
    return at >= 0 and head[at + len(_GRPC) : at + len(_GRPC) + 1] in (b"\r", b"+", b";", b" ")


def _pseudo_fields(entries: list[Entry]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, _, line in entries:
        if name is None:
            continue
        if not name or name[0] != _PSEUDO:
            break
        # As the line has it, so that no line end in a value gets into the start line.
        fields[name] = line[len(name) + 2 : -2]
    return fields


def _join(start: bytes, entries: list[Entry]) -> bytes:
    lines = [entry[2] for entry in entries]
    if len(lines) > _FEW and sum(map(len, lines)) > MAX_HEAD:
        room = MAX_HEAD
        for count, line in enumerate(lines):
            room -= len(line)
            if room < 0:
                del lines[count:]
                lines.append(b"%b: more than %d bytes\r\n" % (UNKNOWN, MAX_HEAD))
                break
    return b"%b%b\r\n" % (start, b"".join(lines))

"""What HTTP/1 heads look like: start lines, body framing and host, read as leniently as the laxest peers do.

Every function is pure and linear in its input. A passive observer cannot refuse a message, so each deviation from RFC 9112
below is one that a real client or server accepts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

NO_FRAMING: Final = -1
"""Neither Content-Length nor Transfer-Encoding: no body in a request, a body until close in a response."""
CHUNKED: Final = -2
UNTIL_CLOSE: Final = -3
"""Transfer codings of which the last is not chunked (RFC 9112 section 6.3 item 4)."""

CHUNK_LINE: Final = re.compile(rb"[ \t]*(?=[0-9A-Fa-f])0*+([0-9A-Fa-f]{0,15}+)[ \t]*+(?:;[^\n]*)?\r?\n")
"""The line before a chunk (RFC 9112 section 7.1), its group the size without leading zeros; blanks and a lone LF are common."""

_COLON = 58
_FIRST_WINDOW = 2048
_MOST_DIGITS = 19
_MAX_LENGTH: Final = 1_000_000_000_000_000_000
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_method = re.compile(_TOKEN)
_version = re.compile(rb"HTTP/\d(?:\.\d+)?")
# RFC 9112 section 3.2: origin-form and asterisk-form, else absolute-form or authority-form, which have a colon early.
_ordinary_target = re.compile(rb"[/*]|[A-Za-z0-9\[][^/\s]*:")
_request_beginning = re.compile(_TOKEN + rb"(?:[ \t]|\Z)")
# RFC 9112 section 4; the reason phrase and the space before it are often left out.
_status_line = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})(?=[ \t\r\n])")
# RFC 9112 section 6.2, with a space before the colon, a folded value, and a list of which the first member counts.
_content_length = re.compile(rb"\ncontent-length[ \t]*:(?:[ \t]|\r?\n[ \t])*(\d+)(?=[ \t,\r\n])")
_transfer_encoding = re.compile(rb"\ntransfer-encoding[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)")
_host = re.compile(rb"\nhost[ \t]+:([^\n]*)")

_KNOWN = {
    name.encode(): name
    for name in (
        *("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PURGE", "PRI"),
        *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"),
    )
}
_KNOWN_BEGINNINGS = frozenset(name[:size] for name in _KNOWN for size in range(1, len(name) + 1))


_REMEMBERED = 1024
"""Bytes of a head that is worth remembering, and how many are: clients repeat theirs, at least the lines after the first."""


class RequestHead(NamedTuple):
    """What a request head says."""

    method: str
    target: str
    version: bytes
    host: str
    """As `host_of` gives it, else the Host field; empty when there is neither."""
    framing: int
    """As `framing` gives it."""


def read_request(head: bytes, *, ordinary: bool = False) -> RequestHead | None:
    """Read a whole request head; None when it does not start with a request line, `ordinary` as in `request_line`."""
    if ordinary or len(head) > _REMEMBERED:
        return _read_request(head, ordinary=ordinary)
    return _known_request(head)


def read_response(head: bytes) -> tuple[int, int]:
    """Give the status, -1 when `head` does not start with a status line, and the framing of a whole response head."""
    return _read_response(head) if len(head) > _REMEMBERED else _known_response(head)


def end_of_head(data: bytes | bytearray, start: int) -> int:
    """Give the position after the empty line that ends a head, lines ending in LF or CRLF; -1 when there is none.

    Looks at growing windows, so that many small heads in one call cost no more than their own length each.
    """
    at, stop = start, start + _FIRST_WINDOW
    while True:
        crlf = data.find(b"\n\r\n", at, stop)
        lf = data.find(b"\n\n", at, stop if crlf < 0 else crlf + 1)
        if lf >= 0:
            return lf + 2
        if crlf >= 0:
            return crlf + 3
        if stop >= len(data):
            return -1
        at, stop = stop - 2, stop + (stop - start)


def request_line(head: bytes, *, ordinary: bool = False) -> tuple[str, str, bytes] | None:
    """Give (method, target, version) of the line that starts `head`, or None when it is not a request line.

    The target may hold spaces and any bytes (Latin-1 each). `ordinary` asks for a target of one of the usual four forms: the
    evidence needed to begin anew in the middle of unknown bytes.
    """
    line = head[: head.find(b"\n") + 1].rstrip()
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    name = _KNOWN.get(method)
    if name is None or version != b"HTTP/1.1" or target[:1] != b"/" or target[-1:] in b" \t":
        words = line.split()
        if len(words) < 2 or not _version.fullmatch(words[-1]):  # noqa: PLR2004 - a method and a version at least
            return None
        method, version = words[0], words[-1]
        if not _method.fullmatch(method) or not line.startswith(method):
            return None
        name, target = method.decode("latin-1"), line[len(method) : -len(version)].strip()
    if ordinary and not _ordinary_target.match(target):
        return None
    return name, target.decode("latin-1"), version


def status_of(head: bytes) -> int:
    """Give the status of the line that starts `head`, or -1 when it is not a status line."""
    match = _status_line.match(head)
    return int(match[1]) if match else -1


def starts_request(data: bytes, *, ordinary: bool) -> bool:
    """Tell whether `data` starts with one whole request line; `ordinary` as in `request_line`."""
    end = data.find(b"\n") + 1
    return b"HTTP/" in data[max(end - 16, 0) : end] and request_line(data[:end], ordinary=ordinary) is not None


def starts_response(data: bytes) -> bool:
    """Tell whether `data` starts with the part of a status line that matters."""
    return data[:5] == b"HTTP/" and _status_line.match(data) is not None


def may_begin_request(data: bytes | bytearray) -> bool:
    """Tell whether `data`, which holds no LF, can be the beginning of a request line."""
    return _request_beginning.match(data[:64]) is not None


def may_begin_response(data: bytes | bytearray) -> bool:
    """Tell whether `data`, which holds no LF, can be the beginning of a status line."""
    return data[:5] == b"HTTP/"[: len(data)]


def begins_known_request(data: bytes | bytearray) -> bool:
    """Tell whether `data` starts with a well-known method and a space."""
    word, space, _ = bytes(data[:16]).partition(b" ")
    return bool(space) and word in _KNOWN


def may_begin_known_request(data: bytes | bytearray) -> bool:
    """Tell whether `data` starts with a well-known method and a space, or is the beginning of that."""
    return bytes(data[:16]) in _KNOWN_BEGINNINGS or begins_known_request(data)


def framing(lowered: bytes) -> int:
    """Give the body's length in bytes, or CHUNKED, UNTIL_CLOSE, NO_FRAMING, from header lines in lower case, an LF before each.

    RFC 9112 section 6.3. `chunked` last beats Content-Length; any other coding yields to it, because servers that send both
    mean the length.
    """
    coding = _last_coding(lowered) if lowered.find(b"\ntransfer-encoding") >= 0 else b""
    if coding == b"chunked":
        return CHUNKED
    at = lowered.find(b"\ncontent-length")
    if at >= 0:
        value: bytes = lowered[at + 16 : lowered.find(b"\n", at + 16)].strip()
        if value.isdigit() and lowered[at + 15] == _COLON and len(value) < _MOST_DIGITS:
            return int(value)
        match = _content_length.search(lowered, at)
        if match:
            digits: bytes = match[1].lstrip(b"0")[:_MOST_DIGITS]
            return min(int(digits or b"0"), _MAX_LENGTH)
    return UNTIL_CLOSE if coding else NO_FRAMING


def _last_coding(lowered: bytes) -> bytes:
    """Give the last transfer coding other than identity, without its parameters; empty when there is none."""
    codings = b",".join(_transfer_encoding.findall(lowered)).split(b",")
    named = [name for coding in codings if (name := coding.partition(b";")[0].strip()) not in (b"", b"identity")]
    return named[-1] if named else b""


def host_of(method: str, target: str) -> str:
    """Give the authority that a request's target names (RFC 9112 section 3.2); empty when it names none."""
    if method == "CONNECT":
        return target
    scheme, found, rest = target.partition("://")
    if target.startswith("/") or not found or "/" in scheme:
        return ""
    return re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]


def _read_request(head: bytes, *, ordinary: bool = False) -> RequestHead | None:
    line = request_line(head, ordinary=ordinary)
    if line is None:
        return None
    method, target, version = line
    block = head[head.find(b"\n") :]
    length, host = _read_fields(block) if len(head) > _REMEMBERED else _known_fields(block)
    if target[:1] != "/" or method == "CONNECT":
        host = host_of(method, target) or host
    return RequestHead(method, target, version, host, length)


def _read_response(head: bytes) -> tuple[int, int]:
    status = status_of(head)
    return status, framing(head.lower()) if status >= 0 else NO_FRAMING


def _read_fields(block: bytes) -> tuple[int, str]:
    lowered = block.lower()
    return framing(lowered), _host_field(block, lowered)


def _host_field(block: bytes, lowered: bytes) -> str:
    at = lowered.find(b"\nhost:")
    if at >= 0:
        return block[at + 6 : block.find(b"\n", at + 6)].strip().decode("latin-1")
    match = _host.search(lowered)
    return block[match.start(1) : match.end(1)].strip().decode("latin-1") if match else ""


_known_request = lru_cache(maxsize=_REMEMBERED)(_read_request)
_known_response = lru_cache(maxsize=_REMEMBERED)(_read_response)
_known_fields = lru_cache(maxsize=_REMEMBERED)(_read_fields)

"""What the first record of each side of a TLS connection says in the clear (RFC 8446 section 4.1, RFC 5246 section 7.4.1).

A hello may be cut off at any byte: what lies before the cut is read. Never raises on any input.
"""

from __future__ import annotations

from typing import Final

import msgspec

TLS_1_0: Final = 0x0301
TLS_1_3: Final = 0x0304
HEADER: Final = 5
"""Bytes of a record's header."""
_HANDSHAKE: Final = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
"""Extension types (RFC 6066 section 3, RFC 7301 section 3.1, RFC 8446 section 4.2.1)."""
_NAME_LIMIT = 255
"""Bytes of a name in DNS (RFC 1035 section 2.3.4), and of an ALPN protocol name."""
_ALPN_LIMIT = 16
"""Offered protocols that are kept."""


class Hello(msgspec.Struct, frozen=True):
    """One side's hello; what it does not say is empty or 0."""

    from_client: bool
    version: int
    """0x0304 is TLS 1.3: the chosen version, or the highest that the client offers."""
    server_name: str = ""
    """SNI, in lower case as DNS compares it."""
    alpn: tuple[str, ...] = ()
    """Protocols in the client's order, or the one that a server before TLS 1.3 chose."""
    cipher: int = 0
    """The cipher suite that the server chose (IANA's TLS Cipher Suites registry)."""


class _Reader:
    """Takes fields off the front of a buffer; beyond its end everything is empty or 0."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self._data)

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        return self._data[start : self.at]

    def number(self, size: int) -> int:
        """Give a number of `size` bytes, 0 where it is cut off."""
        found = self.take(size)
        return int.from_bytes(found, "big") if len(found) == size else 0

    def vector(self, size: int) -> bytes:
        """Give a vector whose length is a number of `size` bytes before it (RFC 8446 section 3.4), as far as it goes."""
        return self.take(self.number(size))


def record_length(data: bytes) -> int:
    """Give the length of the whole record that begins with `data`, its five bytes of header included; 0 if unknown yet."""
    return HEADER + int.from_bytes(data[3:HEADER], "big") if len(data) >= HEADER else 0


def parse(record: bytes) -> Hello | None:
    """Give the hello in a side's first TLS record, cut off or not; None when there is none."""
    reader = _Reader(record)
    if reader.number(1) != _HANDSHAKE or reader.number(1) != TLS_1_0 >> 8:
        return None
    reader.take(3)
    kind = reader.number(1)
    if kind not in (_CLIENT_HELLO, _SERVER_HELLO):
        return None
    body = _Reader(reader.take(reader.number(3)))
    version = body.number(2)
    body.take(32)
    body.vector(1)
    if version >> 8 != TLS_1_0 >> 8:
        return None
    return _client(body, version) if kind == _CLIENT_HELLO else _server(body, version)


def _client(body: _Reader, version: int) -> Hello:
    body.vector(2)
    body.vector(1)
    extensions = _extensions(body.vector(2))
    # Reserved values (GREASE, RFC 8701) and drafts lie above every version there is.
    offered = [v for v in _versions(_Reader(extensions.get(_SUPPORTED_VERSIONS, b"")).vector(1)) if TLS_1_0 <= v <= TLS_1_3]
    return Hello(
        from_client=True,
        version=max(offered, default=version),
        server_name=_server_name(extensions.get(_SERVER_NAME, b"")),
        alpn=_protocols(extensions.get(_ALPN, b"")),
    )


def _server(body: _Reader, version: int) -> Hello:
    cipher = body.number(2)
    body.take(1)
    extensions = _extensions(body.vector(2))
    selected = _Reader(extensions.get(_SUPPORTED_VERSIONS, b"")).number(2)
    return Hello(from_client=False, version=selected or version, alpn=_protocols(extensions.get(_ALPN, b"")), cipher=cipher)


def _extensions(data: bytes) -> dict[int, bytes]:
    """Give the extensions by type; the first of a type counts, as a second is forbidden."""
    reader, found = _Reader(data), dict[int, bytes]()
    while reader:
        kind = reader.number(2)
        found.setdefault(kind, reader.vector(2))
    return found


def _versions(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]


def _server_name(data: bytes) -> str:
    """Give the first host name of the list (RFC 6066 section 3); empty when it is none that DNS could hold."""
    names = _Reader(_Reader(data).vector(2))
    while names:
        kind, length = names.number(1), names.number(2)
        name = names.take(length)
        if kind == 0:
            whole = len(name) == length and 0 < length <= _NAME_LIMIT
            return name.decode("ascii").lower().rstrip(".") if whole and _is_name(name) else ""
    return ""


def _is_name(name: bytes) -> bool:
    return all(0x21 <= byte < 0x7F and byte not in b'/\\@?#"<>' for byte in name)  # noqa: PLR2004 - visible ASCII


def _protocols(data: bytes) -> tuple[str, ...]:
    names = _Reader(_Reader(data).vector(2))
    found: list[str] = []
    while names and len(found) < _ALPN_LIMIT:
        length = names.number(1)
        name = names.take(length)
        if length and len(name) == length and not _is_reserved(name):
            found.append(name.decode("ascii", "backslashreplace"))
    return tuple(found)


def _is_reserved(name: bytes) -> bool:
    """Tell GREASE (RFC 8701 section 3.2): two equal bytes that end in 0x0A's digit."""
    return len(name) == 2 and name[0] == name[1] and name[0] & 0x0F == 0x0A  # noqa: PLR2004

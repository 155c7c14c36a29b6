"""The PROXY protocol: what a load balancer puts before a connection's first byte (haproxy's doc/proxy-protocol.txt).

Version 1 is a line of at most 107 bytes, version 2 a binary header with a signature and a length.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from qtap.model import Endpoint

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_WORD: Final = b"PROXY "
_LONGEST_LINE: Final = 107
_FIXED: Final = 16
"""Signature, version and command, family, length."""
_LINE: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP[46] ([0-9A-Fa-f:.]{2,45}) [0-9A-Fa-f:.]{2,45} (\d{1,5}) \d{1,5})\r\n"
)
_ADDRESS_SIZES: Final = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
"""Bytes of one address, by family and transport (section 2.2)."""
_PROXIED: Final = 0x21


class Prefix(NamedTuple):
    """One header."""

    size: int
    """Bytes of it; -1 when more bytes are needed to tell, 0 when there is none."""
    ip: str = ""
    """The address of the client that the load balancer speaks for; empty when it does not tell one."""
    port: int = 0


class Beginning:
    """Passes by the header that one direction of a connection may begin with, in whatever parts it comes."""

    __slots__ = ("_begun", "_direction", "_end", "client")

    def __init__(self) -> None:
        self.client = Endpoint()
        """As the header tells it."""
        self._direction = -1
        self._begun = b""
        self._end = 0
        """The header's size; 0 while none was seen whole."""

    @property
    def held(self) -> int:
        """Bytes kept of a header that is arriving."""
        return len(self._begun)

    def pass_by(self, direction: int, payload: bytes) -> bytes:
        """Give what stands behind a header; nothing while a part of it is still to come."""
        if self._end or self._direction not in (-1, direction):
            return payload
        payload = self._begun + payload
        prefix = read_prefix(payload)
        self._direction, self._begun = direction, payload if prefix.size < 0 else b""
        if prefix.size < 0:
            return b""
        self.client, self._end = Endpoint(prefix.ip, prefix.port), prefix.size
        return payload[prefix.size :]

    def drop(self) -> None:
        """Give up a header of which only a part came before a hole."""
        if not self._end:
            self._direction, self._begun = -1, b""

    def end(self, direction: int) -> int:
        """Give where the header of `direction` ends; 0 when it has none."""
        return self._end if direction == self._direction else 0


def read_prefix(data: bytes) -> Prefix:
    """Read the header that `data`, the first bytes of a connection, may begin with."""
    if data.startswith(_SIGNATURE):
        return _read_binary(data)
    if data.startswith(_WORD):
        return _read_line(data)
    may_become = data and (_SIGNATURE.startswith(data) or _WORD.startswith(data))
    return Prefix(-1 if may_become else 0)


def _read_line(data: bytes) -> Prefix:
    line = _LINE.match(data)
    if line:
        return Prefix(line.end(), (line[1] or b"").decode("ascii"), int(line[2] or 0) & 0xFFFF)
    return Prefix(0 if b"\n" in data or len(data) > _LONGEST_LINE else -1)


def _read_binary(data: bytes) -> Prefix:
    if len(data) < _FIXED:
        return Prefix(-1)
    size = _FIXED + int.from_bytes(data[14:16], "big")
    if data[12] >> 4 != 2:  # noqa: PLR2004 - the version
        return Prefix(0)
    if len(data) < size:
        return Prefix(-1)
    length = _ADDRESS_SIZES.get(data[13], 0)
    if data[12] != _PROXIED or not length or size < _FIXED + 2 * length + 4:
        return Prefix(size)
    ip = ipaddress.ip_address(data[_FIXED : _FIXED + length])
    port_at = _FIXED + 2 * length
    return Prefix(size, str(ip), int.from_bytes(data[port_at : port_at + 2], "big"))

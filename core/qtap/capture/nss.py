"""NSS, of Firefox, Thunderbird, LibreOffice and 389 Directory Server: what its TLS sockets do to read and write.

PR_Read, PR_Send and the others of NSPR serve files and plain sockets too. Behind them libssl3.so keeps two constant tables of
twelve operations each (`sslSocketOps` of its sslimpl.h), one for sockets with TLS and one for those without, which share a few
functions. None of them is exported; the tables are told by their shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qtap.capture.elf import Elf, Section, Symbol
from qtap.capture.probe import ProbePoint, TlsLibrary, probe_point
from qtap.capture.prologue import targets

_BASENAME = re.compile(r"libssl3\.so")
_OPERATIONS = 12
_ACCEPT, _CLOSE, _RECEIVE, _SEND, _READ = 1, 5, 6, 7, 8
_SHARED = (2, 3, 10, 11)
"""bind, listen, getpeername, getsockname: the same with and without TLS."""
_CODE = 32
_JUMP = b"\xe9"
_WANTED = {
    _CLOSE: ("ssl_SecureClose", "ssl_free", ""),
    _RECEIVE: ("ssl_SecureRecv", "nss_enter_recv", "nss_leave_recv"),
    _SEND: ("ssl_SecureSend", "nss_enter_send", "nss_leave_send"),
}
"""Reading and writing lead to receiving and sending without flags."""

Table = tuple[int, ...]
"""The addresses of the operations in their order; 0 for accept, which is none."""


def _matches(basename: str) -> bool:
    return _BASENAME.fullmatch(basename) is not None


def probe_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a libssl3; none when the tables cannot be told beyond doubt. Raises ElfError."""
    tables = [table for section in elf.sections if section.name == ".data.rel.ro" for table in _tables(elf, section)]
    pairs = [[one, other] for at, one in enumerate(tables) for other in tables[at + 1 :] if _are_a_pair(one, other)]
    secure = [table for pair in pairs for table in pair if _reads_by_receiving(elf, table)]
    if len(pairs) != 1 or len(secure) != 1:
        return []
    return [
        probe_point(elf, Symbol(name, secure[0][slot], 0, elf.offset_of(secure[0][slot])), enter, leave)
        for slot, (name, enter, leave) in _WANTED.items()
    ]


def _tables(elf: Elf, section: Section) -> Iterator[Table]:
    places = elf.relocated(section.address, section.address + section.size)
    last = section.address + section.size - 8 * _OPERATIONS
    for start in range(section.address, last + 1, 8):
        table = tuple(places.get(start + 8 * slot, 0) for slot in range(_OPERATIONS))
        if [slot for slot, address in enumerate(table) if not address] == [_ACCEPT]:
            yield table


def _are_a_pair(one: Table, other: Table) -> bool:
    return [slot for slot in range(_OPERATIONS) if one[slot] == other[slot]] == sorted((_ACCEPT, *_SHARED))


def _reads_by_receiving(elf: Elf, table: Table) -> bool:
    code = elf.read(elf.offset_of(table[_READ]), _CODE)
    jump = code[: code.find(_JUMP) + 5]  # without flags, and on
    return table[_RECEIVE] in targets(jump, table[_READ])


NSS = TlsLibrary(name="nss", matches=_matches, probe_points=probe_points)

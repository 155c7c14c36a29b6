"""OpenSSL's BIOs that are no sockets: where ciphertext enters and leaves memory, in libcrypto or a program that holds it.

Python's asyncio, Node, gRPC and others give the library memory to read and write, and carry the ciphertext to the socket
themselves. BIO_read and BIO_write would see it all, at a cost for those too that use sockets: each begins with an instruction
that the kernel single-steps. The functions behind them, for memory alone, are free for whoever does not use it. They are not
exported, but BIO_s_mem gives the table (BIO_METHOD) that holds their addresses.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from qtap.capture.elf import X86_64, Elf, ElfError, Symbol
from qtap.capture.probe import ProbePoint, TlsLibrary, point_at, probe_point
from qtap.capture.prologue import returned_address
from qtap.capture.references import addresses_of

_BASENAME = re.compile(r"libcrypto(-[^/]*)?\.so(\.[^/]*)?")
_METHODS = {"BIO_s_mem": (0x401, b"memory buffer"), "BIO_s_bio": (0x413, b"BIO pair")}
"""Give the tables for memory, and for pairs of BIOs, of these types (BIO_TYPE_MEM, BIO_TYPE_BIO) and names."""
_GENERAL = ("BIO_read", "BIO_write")
_SINCE_TWINS = "BIO_read_ex"
_OWN = (
    ("_ZN4node6crypto7NodeBIO4ReadEP6bio_stPci", "_ZN4node6crypto7NodeBIO5WriteEP6bio_stPKci"),
    ("bio_java_bytebuffer_read", "bio_java_bytebuffer_write"),
)
"""What programs read and write that bring a BIO of their own: Node, and netty for Java (netty-tcnative)."""
_READ, _WRITE = ("bio_enter_read", "bio_leave_read"), ("bio_enter_write", "")
_TABLE = struct.Struct("<i4x8Q")
"""struct bio_method_st: type, name, then since OpenSSL 1.1.1, which brought BIO_read_ex, bwrite, bwrite_old, bread, bread_old;
before, and in BoringSSL, bwrite, bread, bputs, bgets; in BoringSSL of 2025 nothing, bwrite_ex, bread, bgets; in that of 2026
(Conscrypt's since 2.8) no name, bwrite, bread, bgets, ctrl, create, destroy, callback_ctrl."""
_NAMELESS, _LACKS = (2, 3, 5, 6, 7), 8
"""What the tables without a name have and lack; bgets, only memory has."""
_CODE = 32


def _matches(basename: str) -> bool:
    """Accept libcrypto.so.3 and wheels' libcrypto-88ac6a6b.so.1.1."""
    return _BASENAME.fullmatch(basename) is not None


def bio_points(elf: Elf) -> list[ProbePoint]:
    """Give the functions that read and write memory for a TLS handle; none when the file has none; raises ElfError."""
    if elf.machine != X86_64:
        return []
    symbols = elf.symbols([*_METHODS, _SINCE_TWINS, *(name for pair in _OWN for name in pair)], enough=("BIO_s_mem",))
    for read, write in _OWN:
        if read in symbols and write in symbols:
            return [probe_point(elf, symbols[read], *_READ), probe_point(elf, symbols[write], *_WRITE)]
    if not any(name in symbols for name in _METHODS):
        return []
    tables = {name: _table_of(elf, symbols[name]) if name in symbols else _table_called(elf, name) for name in _METHODS}
    return _points(elf, tables, twins=_SINCE_TWINS in symbols)


def unnamed_bio_points(elf: Elf, *, twins: bool) -> list[ProbePoint]:
    """Give the same of a file without symbols, found by how the tables call themselves; `twins` as of OpenSSL since 1.1.1."""
    return _points(elf, {name: _table_called(elf, name) for name in _METHODS}, twins=twins)


def any_bio_points(elf: Elf) -> list[ProbePoint]:
    """Give BIO_read and BIO_write, which see the ciphertext of BIOs of any kind, where the file has them; raises ElfError.

    For single processes: a program that uses sockets would pay for them at each call.
    """
    symbols = elf.symbols(_GENERAL, enough=_GENERAL)
    if any(name not in symbols for name in _GENERAL):
        return []
    return [probe_point(elf, symbols["BIO_read"], *_READ), probe_point(elf, symbols["BIO_write"], *_WRITE)]


def _points(elf: Elf, tables: dict[str, tuple[int, ...] | None], *, twins: bool) -> list[ProbePoint]:
    found = []
    for name, table in tables.items():
        if table:
            read, write = (4, 3) if not table[2] else (5, 3) if twins else (3, 2)
            if table[read] and table[write]:
                found += [
                    point_at(elf, f"{name}:read", table[read], *_READ),
                    point_at(elf, f"{name}:write", table[write], *_WRITE),
                ]
    return found


def _table_of(elf: Elf, symbol: Symbol) -> tuple[int, ...] | None:
    """Read the BIO_METHOD whose address the function `symbol` returns; None when that is not sure."""
    address = returned_address(elf.read(symbol.offset, min(_CODE, elf.size - symbol.offset)), symbol.address)
    return None if address is None else _table_at(elf, address)


def _table_called(elf: Elf, method: str) -> tuple[int, ...] | None:
    """Find the BIO_METHOD that `method` would return by its type and name, or by its shape; None when that is not sure."""
    kind, name = _METHODS[method]
    places = {place - 8 for address in addresses_of(elf, name) for place in elf.pointers_to(address)}
    found = [table for table in (_table_at(elf, place) for place in places) if table and table[0] == kind]
    found = found or [*_nameless_tables(elf, kind)]
    return found[0] if len(found) == 1 else None


def _nameless_tables(elf: Elf, kind: int) -> Iterator[tuple[int, ...]]:
    """Give each BIO_METHOD of this type that has no name, told by all that it has and has not."""
    for place in elf.places_of(struct.pack("<QQ", kind, 0)):
        table = _table_at(elf, place)
        if table and not table[1] and all(table[at] for at in _NAMELESS) and not table[_LACKS]:
            yield table


def _table_at(elf: Elf, address: int) -> tuple[int, ...] | None:
    try:
        table = list(_TABLE.unpack(elf.read(elf.offset_of(address), _TABLE.size)))
    except ElfError:
        return None
    for place, value in elf.relocated(address, address + _TABLE.size).items():
        if (place - address) % 8 == 0:
            table[(place - address) // 8] = value
    is_code = all(elf.section_at(entry) == ".text" for entry in table[2:] if entry)
    return tuple(table) if is_code else None


LIBCRYPTO = TlsLibrary(name="openssl", matches=_matches, probe_points=bio_points)

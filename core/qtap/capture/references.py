"""Functions of an x86-64 file without symbols, found by the strings that they refer to.

Compiled C names a function by `__func__` where it reports an error, and takes that string's address relative to the
instruction. Which function an instruction belongs to is told by the table for unwinding (.eh_frame, LSB Core 5.0, 10.6.1),
which stripping leaves: exceptions need it.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import islice

from qtap.capture.elf import Elf, Section
from qtap.capture.elf_file import PT_LOAD

_LOAD_ADDRESS = re.compile(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d](?=(.{4}))", re.DOTALL)
"""lea with an address relative to the next instruction, into any register."""
_ENTRY = 32
_ADVANCES = frozenset((0, 2, 3, 4, *range(0x40, 0x80)))
"""DW_CFA_nop, which ends an entry, and DW_CFA_advance_loc of every size."""
_INDIRECT = re.compile(rb"\xff[\x10-\x14\x16\x17\x20-\x24\x26\x27\x50-\x57\x60-\x67\x90-\x97\xa0-\xa7\xd0-\xd7\xe0-\xe7]")
"""call and jmp to an address in a register or a structure."""
_CALL = re.compile(rb"\xe8(?=(.{4}))", re.DOTALL)
_MOVE = 0xB8
_MOVE_CONSTANT = re.compile(rb"[\xb8-\xbf](?=(.{4}))", re.DOTALL)
"""mov of a constant into any register: how a program at a fixed address takes a string's."""
_RECORD = struct.Struct("<II")
_RANGE = struct.Struct("<iI")
_FROM_HERE = 0x1B
"""DW_EH_PE_pcrel | DW_EH_PE_sdata4: an address as 4 signed bytes from where it stands."""
_AUGMENTATION = re.compile(rb"\x01z(P?)L?R[SB]?\0")
"""Of a common entry (CIE) of version 1 whose data ends with the form of addresses."""
_PIECE, _OVERLAP = 1 << 20, 512
"""Bytes looked at in one go, 0.3 ms without a turn for other threads; the overlap holds the longest string with its path."""
_MOST_A_FUNCTION = 4096
"""Bytes of code for each entry of a table that has them all; Debian's libraries and grpc have 200 to 500."""
_LONGEST_TABLE = 1 << 24
"""Bytes: half a million functions, which take 60 MB of memory while they are looked at."""
_MOST_ENDS = 64
"""More places of one string occur in damaged or hostile files only."""
_MOST_USERS = 512
"""Functions; of ssl_lib.cc there are 60."""
_LONGEST, _LONGEST_PATH = 1 << 16, 256
_PRINTABLE = bytes(range(0x20, 0x7F))


def has_string(elf: Elf, text: bytes) -> bool:
    """Whether `text` stands in the file's constant data; raises ElfError."""
    return any(text in piece for _, piece in _pieces(elf))


def addresses_of(elf: Elf, string: bytes) -> set[int]:
    """Give every address of `string` in the constant data, where it may end a longer one, too; raises ElfError.

    Linkers let a string that another one ends with be a part of that.
    """
    return {at for at, _ in _ends(elf, string)}


def addresses_ending(elf: Elf, tail: bytes) -> set[int]:
    """Give every address at which a string of ASCII may begin that ends with `tail`, a file's path for one; raises ElfError."""
    found: set[int] = set()
    for address, before in _ends(elf, tail):
        found.update(range(address - len(before) + len(before.rstrip(_PRINTABLE)), address + 1))
    return found


def _ends(elf: Elf, string: bytes) -> Iterator[tuple[int, bytes]]:
    """Give every address where `string` ends one, and up to 256 bytes before it."""
    yield from islice(_all_ends(elf, string + b"\0"), _MOST_ENDS)


def _all_ends(elf: Elf, string: bytes) -> Iterator[tuple[int, bytes]]:
    for address, piece in _pieces(elf):
        at = piece.find(string)
        while at >= 0:
            yield address + at, piece[max(at - _LONGEST_PATH, 0) : at]
            at = piece.find(string, at + 1)


def _begins(before: bytes) -> bool:
    """Whether a string begins behind these bytes."""
    return before[-1:] in (b"", b"\0")


def constants(code: bytes, register: int) -> set[int]:
    """Give the numbers below 1024 that `code` moves into one of the registers eax (0) to edi (7), and maybe a few more."""
    moves = re.compile(bytes([_MOVE + register]) + rb"(?=(.[\0-\x03]\0\0))", re.DOTALL)
    return {int.from_bytes(match[1], "little") for match in moves.finditer(code)}


def callees(base: int, code: bytes) -> set[int]:
    """Give what code that begins at `base` calls directly, and maybe a few more."""
    return {base + match.start() + 5 + int.from_bytes(match[1], "little", signed=True) for match in _CALL.finditer(code)}


class Functions:
    """The functions in a file's .text, none where no table tells them apart. Every method raises ElfError and nothing else."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._text = _section(elf, ".text")

    @cached_property
    def _entries(self) -> dict[int, int]:
        found = _read_entries(self._elf) if self._text else {}
        # Where most functions have no entry, who refers to what cannot be told.
        return found if self._text and self._text.size <= _MOST_A_FUNCTION * len(found) else {}

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(self._entries)

    def of_source(self, name: bytes) -> dict[int, bytes]:
        """Give the functions that refer to a source file whose path ends with `name`, as those do that report errors."""
        users = self.referring(dict.fromkeys(addresses_ending(self._elf, name), ""))
        return {start: self.code(start) for start in users.get("", ())}

    def naming(self, names: Collection[str]) -> dict[str, set[int]]:
        """Give the functions that refer to each name.

        Several refer to the name of one that was inlined into them. What compilers move away from a function, because it is
        seldom run, counts as one of its own.
        """
        return self.referring({at: name for name in names for at, before in _ends(self._elf, name.encode()) if _begins(before)})

    def referring(self, places: Mapping[int, str]) -> dict[str, set[int]]:
        """Give the functions that take each of these addresses, under its name; none of a name that too many take."""
        users: dict[str, set[int]] = defaultdict(set)
        for at, address in self._references(places) if places and self._starts else ():
            users[places[address]].add(self._starts[max(bisect_right(self._starts, at) - 1, 0)])
        return {name: found for name, found in users.items() if len(found) <= _MOST_USERS}

    def code(self, start: int) -> bytes:
        """Give the function at `start`, but no more than 64 KB of it."""
        _, size = _RANGE.unpack(self._elf.read(self._entries[start], _RANGE.size))
        return self._elf.read(self._elf.offset_of(start), min(size, _LONGEST))

    def is_whole(self, start: int) -> bool:
        """Tell a function from a part of one that was moved away because it seldom runs.

        In a part the return address is not at the top of the stack, and a probe of its return would replace something else; its
        entry in the table says so before any instruction, by DW_CFA_def_cfa_offset (DWARF 5, 6.4.2). Or nothing was pushed yet:
        then it is told by what every function looked for here does, a call through a table of methods.
        """
        entry = self._elf.read(self._entries[start] + _RANGE.size, _ENTRY)
        first = entry[1 + entry[0]] if entry[0] < _ENTRY - 1 else -1
        return first in _ADVANCES and _INDIRECT.search(self.code(start)) is not None

    def _references(self, wanted: Collection[int]) -> Iterator[tuple[int, int]]:
        """Give where code takes an address that is `wanted`, and which."""
        is_fixed = min((segment.address for segment in self._elf.segments if segment.kind == PT_LOAD), default=0) > 0
        for base, code in self._pieces_of_code():
            yield from _references(code, base, wanted, is_fixed=is_fixed)

    def _pieces_of_code(self) -> Iterator[tuple[int, bytes]]:
        assert self._text is not None
        for piece in range(0, self._text.size, _PIECE):
            size = min(_PIECE + _OVERLAP, self._text.size - piece)
            yield self._text.address + piece, self._elf.read(self._text.offset + piece, size)


def _references(code: bytes, base: int, wanted: Collection[int], *, is_fixed: bool) -> Iterator[tuple[int, int]]:
    """Give where code that begins at `base` takes an address that is `wanted`, and which; `is_fixed`: `base` never moves."""
    for match in _LOAD_ADDRESS.finditer(code):
        at = base + match.start()
        address = at + 7 + int.from_bytes(match[1], "little", signed=True)
        if address in wanted:
            yield at, address
    for match in _MOVE_CONSTANT.finditer(code) if is_fixed else ():
        address = int.from_bytes(match[1], "little")
        if address in wanted:
            yield base + match.start(), address


def _read_entries(elf: Elf) -> dict[int, int]:
    """Give where each function that can be unwound has its address and size in the file, by that address.

    Empty when the file has no table of them, or a longer one than any program.
    """
    section = _section(elf, ".eh_frame")
    if section is None or section.size > _LONGEST_TABLE:
        return {}
    body = elf.read(section.offset, section.size)
    found: dict[int, int] = {}
    at, common, has_form = 0, -1, False
    while at + _RECORD.size + 8 <= len(body):
        length, back = _RECORD.unpack_from(body, at)
        if not length or length == 0xFFFFFFFF:  # noqa: PLR2004 - the end, or the form for more than 4 GB
            break
        if back:
            if at + 4 - back != common:
                common = at + 4 - back
                has_form = _has_known_form(body[max(common, 0) : max(common, 0) + 64])
            if has_form:
                distance, _ = _RANGE.unpack_from(body, at + 8)
                found[section.address + at + 8 + distance] = section.offset + at + 8
        at += 4 + length
    return found


def _has_known_form(common: bytes) -> bool:
    """Tell whether a common entry, of which the first bytes are given, has its addresses as `_FROM_HERE`."""
    match = _AUGMENTATION.match(common, 8)
    if not match:
        return False
    # Alignment factors, return register and the data's length are one byte each; a personality is its form and an address.
    at = match.end() + 4
    personality = 5 if match[1] else 0
    language = 1 if b"L" in match[0] else 0
    return common[at + personality + language : at + personality + language + 1] == bytes([_FROM_HERE])


def _pieces(elf: Elf) -> Iterator[tuple[int, bytes]]:
    """Give the constant data with its address, in pieces that overlap."""
    section = _section(elf, ".rodata")
    for at in range(0, section.size if section else 0, _PIECE):
        assert section is not None
        yield section.address + at, elf.read(section.offset + at, min(_PIECE + _OVERLAP, section.size - at))


def _section(elf: Elf, name: str) -> Section | None:
    return next((section for section in elf.sections if section.name == name), None)

"""Go's function table, which stays in every binary because the runtime needs it: names and places of all functions.

Layout: runtime/symtab.go (pcHeader, functab, _func) and cmd/link/internal/ld/pcln.go of Go 1.16 to 1.27. Where the code begins
is told by old versions only, and by position-independent programs not before they run, so places count from the first function.
Six functions of terraform (190 000 functions) take 25 ms.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from qtap.capture.elf import Elf, Section


class _Format(NamedTuple):
    """One generation of the table; `magic` is its first eight bytes: number, padding, 1 (x86), pointer size."""

    magic: bytes
    header: struct.Struct
    """What follows the magic: functions, files, (text,) names, compilation units, files, pc tables, functions."""
    word: Literal["I", "Q"]
    """How the table gives the start of a function, and a place in itself, as struct and memoryview spell it."""


_SINCE_1_18 = struct.Struct("<8xQ8xQQQ8x8xQ")
_SINCE_1_16 = struct.Struct("<8xQ8xQQ8x8xQ")
_FORMATS = (
    _Format(b"\xf1\xff\xff\xff\0\0\1\10", _SINCE_1_18, "I"),  # 1.20
    _Format(b"\xf0\xff\xff\xff\0\0\1\10", _SINCE_1_18, "I"),
    _Format(b"\xfa\xff\xff\xff\0\0\1\10", _SINCE_1_16, "Q"),
)
_GO_SECTIONS = frozenset((".go.buildinfo", ".note.go.buildid"))
_SECTIONS = ("gopclntab", "data.rel.ro", "rodata")
"""How the names of the sections end that may hold it, likely ones first: linkers other than Go's merge it into a larger one."""
_TABLE_LIMIT = 1 << 26
"""Bytes; the largest seen (kubernetes, terraform) are 40 MB."""
_NEAR = 1 << 19
_PLACES = 20_000
"""How many times a name's number may occur in the table by chance before the search gives up."""

_MISSES = 8
"""How many names may have no function, for each of which the whole table is searched: a hostile one may have any number."""


class GoFunction(NamedTuple):
    """One function; `start` and `end` in bytes from the first function of the program."""

    name: str
    start: int
    end: int


class GoTable(NamedTuple):
    """The functions found, and the address of the program's first one; 0 when the file does not tell."""

    text: int
    functions: list[GoFunction]


def is_go(elf: Elf) -> bool:
    """Tell whether Go built this program; raises ElfError."""
    return any(section.name in _GO_SECTIONS for section in elf.sections)


def go_table(elf: Elf, prefix: str, wanted: Callable[[str], object]) -> GoTable:
    """Give the functions whose name is `prefix` and a rest that is `wanted`; none for other programs; raises ElfError."""
    if is_go(elf):
        for section in _sections(elf):
            raw = elf.read(section.offset, min(section.size, _TABLE_LIMIT))
            for form in _FORMATS:
                at = raw.find(form.magic)
                if at >= 0 and (found := _read(raw, at, form, prefix.encode(), wanted)):
                    return found
    return GoTable(0, [])


def _sections(elf: Elf) -> Iterator[Section]:
    for name in _SECTIONS:
        yield from (section for section in elf.sections if section.name.endswith(name))


def _read(raw: bytes, at: int, form: _Format, prefix: bytes, wanted: Callable[[str], object]) -> GoTable | None:
    """Search the table at `at`; None when it is damaged or has none of the names."""
    if at + form.header.size > len(raw):
        return None
    header = form.header.unpack_from(raw, at)
    count, text, names, names_end, functions = header if form.word == "I" else (header[0], 0, *header[1:])
    size = struct.calcsize(form.word)
    starts_end = functions + (2 * count + 1) * size
    if not count or max(names, names_end, starts_end) > len(raw) - at or functions % size:
        return None
    # Pairs: where a function begins, and where its description lies; one more start ends the last one.
    pairs = memoryview(raw)[at + functions : at + starts_end].cast(form.word)
    found, near = [], at + functions
    misses = 0
    for name, number in _names(raw, at + names, at + names_end, prefix):
        if misses >= _MISSES or not wanted(name):
            continue
        place = _place(raw, at + functions, near, pairs, number - at - names)
        misses += place is None
        if place:
            near = place[2]
            found.append(GoFunction(prefix.decode() + name, place[0] - pairs[0], place[1] - pairs[0]))
    return GoTable(text + pairs[0] if text or form.word == "Q" else 0, found) if found else None


def _names(raw: bytes, start: int, end: int, prefix: bytes) -> Iterator[tuple[str, int]]:
    """Give the rest of each name that begins with `prefix`, and where that name begins."""
    for at in _occurrences(raw, b"\0" + prefix, start, end):
        rest = at + 1 + len(prefix)
        yield raw[rest : max(raw.find(b"\0", rest, end), rest)].decode(errors="replace"), at + 1


def _place(raw: bytes, base: int, near: int, pairs: memoryview[int], number: int) -> tuple[int, int, int] | None:
    """Give start and end of the function whose name has this number, and where its description lies in `raw`.

    A description is a start, then the name's number in four bytes (struct _func); they come in the order of the code, so those
    of one package lie together.
    """
    starts, descriptions, size = pairs[::2], pairs[1::2], pairs.itemsize
    wanted = struct.pack("<I", number)
    for first, last in ((max(near - _NEAR, base + size), near + _NEAR), (base + size, len(raw))):
        for at in _occurrences(raw, wanted, first, last):
            start = int.from_bytes(raw[at - size : at], "little")
            index = bisect_left(starts, start)
            if index < len(descriptions) and starts[index] == start and descriptions[index] == at - size - base:
                return start, starts[index + 1], at
    return None


def _occurrences(raw: bytes, wanted: bytes, start: int, end: int) -> Iterator[int]:
    at = start - 1
    for _ in range(_PLACES):
        at = raw.find(wanted, at + 1, end)
        if at < 0:
            return
        yield at

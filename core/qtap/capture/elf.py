"""What probes need from an ELF file (System V gABI): where functions lie in it, its build id, what it links.

Nine of the 75 000 dynamic symbols of a 99 MB node take 0.15 ms by their hash table; a name that only .symtab may hold takes
30 ms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from qtap.capture.elf_file import ElfError, ElfFile, Section, find_in_turns, string_at

X86_64 = 62
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_SHT_SYMTAB, _SHT_RELA, _SHT_DYNAMIC, _SHT_NOTE, _SHT_DYNSYM = 2, 4, 6, 7, 11
_SHT_GNU_HASH = 0x6FFFFFF6
_PT_NOTE = 4
_STT_FUNC = 2
_R_X86_64_RELATIVE = 8
_DT_NEEDED = 1
_DATA = frozenset((".data.rel.ro", ".data", ".rodata"))
_NT_GNU_BUILD_ID = 3
_CHAIN_LIMIT = 4096
_TAIL_LIMIT = 64
_POINTER_LIMIT = 4096
_TABLES = 2
"""Longer hash chains, more names that end alike, more places of one address, and more tables of symbols occur in damaged or
hostile files only."""


class Symbol(NamedTuple):
    """One defined function."""

    name: str
    address: int
    size: int
    """Bytes of code; 0 when the file does not tell."""
    offset: int
    """Where its code begins in the file."""


class Elf(ElfFile):
    """One open file; use as a context manager. Every method raises ElfError and nothing else."""

    @cached_property
    def _symbol_tables(self) -> dict[Section, tuple[bytes, list[int]]]:
        return {}

    @cached_property
    def _string_tables(self) -> dict[Section, bytes]:
        return {}

    @property
    def stripped(self) -> bool:
        """True when the file kept only its dynamic symbols."""
        return not any(section.kind == _SHT_SYMTAB for section in self.sections)

    @cached_property
    def build_id(self) -> str:
        """The GNU build id in hexadecimal digits; empty when the file was linked without one."""
        places = [(section.offset, section.size) for section in self.sections if section.kind == _SHT_NOTE]
        places += [(segment.offset, segment.size) for segment in self.segments if segment.kind == _PT_NOTE]
        for offset, size in places:
            for owner, kind, value in _notes(self.read(offset, min(size, 65536))):
                if owner == b"GNU\0" and kind == _NT_GNU_BUILD_ID:
                    return value.hex()
        return ""

    @cached_property
    def needed(self) -> list[str]:
        """The sonames that the file asks the loader for, in order."""
        found = []
        for section in self.sections:
            if section.kind == _SHT_DYNAMIC:
                strings = self._strings(section)
                body = self.read(section.offset, min(section.size, 65536) // 16 * 16)
                found += [string_at(strings, value) for tag, value in struct.iter_unpack("<QQ", body) if tag == _DT_NEEDED]
        return found

    def symbols(self, names: Collection[str], enough: Collection[str] = ()) -> dict[str, Symbol]:
        """Give the functions called `names` that the file defines: the dynamic ones, and those missing there by .symtab.

        A file that exports all of `enough` exports whatever it has of `names`, so that .symtab need not be searched.
        """
        found: dict[str, Symbol] = {}
        hashed = [section for section in self.sections if section.kind == _SHT_GNU_HASH]
        for section in hashed:
            self._search_hash(section, names, found)
        if enough and all(name in found for name in enough):
            return found
        for section in self.sections:
            missing = [name for name in names if name not in found]
            if missing and (section.kind == _SHT_SYMTAB or (section.kind == _SHT_DYNSYM and not hashed)):
                for symbol in self._search_table(section, missing):
                    found.setdefault(symbol.name, symbol)
        return found

    def copies(self, choose: Callable[[bytes], Collection[str]]) -> list[Symbol]:
        """Give every function in .symtab by the names that `choose` takes from its strings: compilers repeat local ones.

        Each place is given once, by any of its names.
        """
        tables = [section for section in self.sections if section.kind == _SHT_SYMTAB]
        found = {
            symbol.offset: symbol for table in tables for symbol in self._search_table(table, [*choose(self._strings(table))])
        }
        return [*found.values()]

    def relocated(self, start: int, end: int) -> dict[int, int]:
        """Give the addresses that the loader will put at places from `start` to `end` of this x86-64 file, before its base."""
        found: dict[int, int] = {}
        for section in self.sections:
            if section.kind == _SHT_RELA:
                body = self.read(section.offset, section.size // _RELA.size * _RELA.size)
                places = memoryview(body).cast("Q")[::3].tolist()
                for index, place in enumerate(places):
                    if start <= place < end:
                        _, kind, value = _RELA.unpack_from(body, index * _RELA.size)
                        found |= {place: value} if kind == _R_X86_64_RELATIVE else {}
        return found

    def _link(self, section: Section) -> Section:
        if section.link >= len(self.sections):
            raise ElfError(f"{self.path!r} has a section {section.name} that refers to none")
        return self.sections[section.link]

    def _strings(self, section: Section) -> bytes:
        strings = self._link(section)
        if strings not in self._string_tables:
            _make_room(self._string_tables)
            self._string_tables[strings] = self.read(strings.offset, strings.size)
        return self._string_tables[strings]

    def _search_hash(self, section: Section, names: Collection[str], found: dict[str, Symbol]) -> None:
        """Look `names` up as the dynamic loader does: a bucket gives a symbol, from which a chain of hashes goes on."""
        table = self._link(section)
        strings = self._link(table)
        buckets, first, bloom, _ = struct.unpack("<IIII", self.read(section.offset, 16))
        bucket_at = section.offset + 16 + 8 * bloom
        for name in names if buckets else ():
            wanted, encoded = _gnu_hash(name.encode()), name.encode() + b"\0"
            index = self._word(bucket_at + 4 * (wanted % buckets))
            for _ in range(_CHAIN_LIMIT):
                if index < first:
                    break
                value = self._word(bucket_at + 4 * (buckets + index - first))
                if value | 1 == wanted | 1:
                    symbol = self._symbol(name, self.read(table.offset + index * _SYMBOL.size, _SYMBOL.size))
                    at = strings.offset + self._word(table.offset + index * _SYMBOL.size)
                    if symbol and self.read(at, len(encoded)) == encoded:
                        found.setdefault(name, symbol)
                index = 0 if value & 1 else index + 1

    def pointers_to(self, address: int) -> set[int]:
        """Give where data of this x86-64 file will hold `address` (before its base) once it is loaded."""
        value = address.to_bytes(8, "little")
        found: set[int] = set()
        for section in self.sections:
            if section.kind == _SHT_RELA:
                for at in self._aligned(section, value, _RELA.size, 16):
                    place, kind, _ = _RELA.unpack(self.read(section.offset + at, _RELA.size))
                    found |= {place} if kind == _R_X86_64_RELATIVE else set()
            elif section.name in _DATA:  # not moved, or moved by .relr.dyn, which leaves the addresses in place
                found |= {section.address + at for at in self._aligned(section, value, 8, 0)}
        return found

    def places_of(self, value: bytes) -> set[int]:
        """Give each address, a multiple of eight, at which this file's data has `value` before it is relocated."""
        data = [section for section in self.sections if section.name in _DATA and section.address % 8 == 0]
        return {section.address + at for section in data for at in self._aligned(section, value, 8, 0)}

    def _aligned(self, section: Section, value: bytes, step: int, offset: int) -> Iterator[int]:
        """Give each entry of `step` bytes in a section that has `value` at `offset`."""
        body = self.read(section.offset, section.size)
        at = -1
        for _ in range(_POINTER_LIMIT):
            at = find_in_turns(body, value, at + 1)
            if at < 0:
                return
            if at % step == offset and at - offset + step <= len(body):
                yield at - offset

    def _word(self, at: int) -> int:
        return int.from_bytes(self.read(at, 4), "little")

    def _search_table(self, section: Section, names: list[str]) -> Iterator[Symbol]:
        strings = self._strings(section)
        wanted = {at: name for name in names for at in _occurrences(strings, name.encode() + b"\0")}
        if not wanted:
            return
        table, places = self._symbol_table(section)
        for index in [index for index, place in enumerate(places) if place in wanted]:
            symbol = self._symbol(wanted[places[index]], table[index * _SYMBOL.size : (index + 1) * _SYMBOL.size])
            if symbol:
                yield symbol

    def _symbol_table(self, section: Section) -> tuple[bytes, list[int]]:
        """Give the symbols, and the first word of each: its name's place. 75 000 take 3 ms, unpacking each takes 30 ms."""
        if section not in self._symbol_tables:
            _make_room(self._symbol_tables)
            table = self.read(section.offset, section.size // _SYMBOL.size * _SYMBOL.size)
            self._symbol_tables[section] = table, memoryview(table).cast("I")[:: _SYMBOL.size // 4].tolist()
        return self._symbol_tables[section]

    def _symbol(self, name: str, raw: bytes) -> Symbol | None:
        """Read one symbol; None when it is no function or is defined elsewhere."""
        _, info, _, home, address, size = _SYMBOL.unpack(raw)
        return Symbol(name, address, size, self.offset_of(address)) if info & 0xF == _STT_FUNC and home else None


def _gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = value * 33 + byte & 0xFFFFFFFF
    return value


def _make_room(tables: dict[Section, Any]) -> None:
    if len(tables) >= _TABLES:
        tables.clear()


def _occurrences(strings: bytes, name: bytes) -> Iterator[int]:
    """Give every place where `name` ends a string: linkers share the tails of longer names."""
    at = -1
    for _ in range(_TAIL_LIMIT):
        at = find_in_turns(strings, name, at + 1)
        if at < 0:
            return
        yield at


def _notes(body: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Split a note section: owner, kind, value, each padded to four bytes."""
    at = 0
    while at + 12 <= len(body):
        owner, size, kind = struct.unpack_from("<III", body, at)
        start = at + 12 + (owner + 3 & ~3)
        yield body[at + 12 : at + 12 + owner], kind, body[start : start + size]
        at = start + (size + 3 & ~3)


__all__ = ["X86_64", "Elf", "ElfError", "Section", "Symbol"]

"""An ELF file as it lies on disk (System V gABI): its header, its sections and segments, and pieces of it.

Reads pieces by pread(2) instead of mapping the file: a container may cut its file short at any time, and a mapped page that is
gone kills the reader with SIGBUS.
"""

from __future__ import annotations

import os
import stat
import struct
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
PT_LOAD = 1
_CLASS64_LITTLE = b"\x02\x01"
_PIECE_LIMIT = 1 << 26
"""A table larger than this (2 800 000 symbols) is refused before memory is taken."""
_READ_LIMIT = 1 << 32
"""Bytes read of one file in all: a program of 700 MB needs 0.8 GB; a hostile one names a piece ten thousand times."""
_NAME_LIMIT, _SECTION_NAME_LIMIT = 4096, 256
"""Longer names occur in damaged or hostile files only."""
_TURN = 1 << 20
"""Bytes searched at once, in 0.3 ms: no other thread of this process runs meanwhile."""


class ElfError(ValueError):
    """The file is not an ELF file that can be read; the text is one sentence for the user."""


class Section(NamedTuple):
    """One section header; sizes and offsets in bytes."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int
    """Index of the section that this one refers to, for a symbol table its strings."""


class Segment(NamedTuple):
    """One program header; sizes and offsets in bytes."""

    kind: int
    offset: int
    address: int
    size: int
    """Bytes in the file."""


class ElfFile:
    """One open little-endian ELF64 file; use as a context manager. Every method raises ElfError and nothing else."""

    def __init__(self, path: str | Path) -> None:
        """Open `path`, which must be a regular file."""
        self.path = str(path)
        self._read = 0
        try:
            # A FIFO or device in a container must not block the reader.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise ElfError(f"{self.path!r} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._read_header()
        except ElfError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def descriptor(self) -> int:
        """The file, while it is open here."""
        return self._fd

    @property
    def descriptor_path(self) -> str:
        """A path that leads to this very file while it is open here, whatever becomes of the process that it was found in."""
        return f"/proc/self/fd/{self._fd}"

    @cached_property
    def identity(self) -> str:
        """Tells this file, as it is now, from every other of this host."""
        status = os.fstat(self._fd)
        return f"{status.st_dev}:{status.st_ino}:{status.st_ctime_ns}:{status.st_size}"

    @property
    def is_changed(self) -> bool:
        """Whether somebody wrote into the file since it was opened here, and it is not what it was.

        What only got another build id, as the go command gives to what it linked, is what it was.
        """
        status = os.fstat(self._fd)
        if (status.st_size, status.st_mtime_ns) == (self.size, self._modified):
            return False
        try:
            with ElfFile(self.descriptor_path) as now:
                return (now.size, now.sections, now.segments) != (self.size, self.sections, self.segments)
        except ElfError:
            return True

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @cached_property
    def sections(self) -> list[Section]:
        """Every section header, in order; empty when the file has none."""
        raw = self._table(self._section_at, _SECTION, self._section_count)
        names = b""
        if self._names_index < len(raw):
            _, _, _, _, offset, size, *_ = raw[self._names_index]
            names = self.read(offset, size)
        return [
            Section(string_at(names, name, _SECTION_NAME_LIMIT), kind, address, offset, size, link)
            for name, kind, _, address, offset, size, link, _, _, _ in raw
        ]

    @cached_property
    def segments(self) -> list[Segment]:
        """Every program header, in order."""
        raw = self._table(self._segment_at, _SEGMENT, self._segment_count)
        return [Segment(kind, offset, address, size) for kind, _, offset, address, _, size, _, _ in raw]

    def offset_of(self, address: int) -> int:
        """Give where the byte that will be mapped at `address` (before relocation) lies in the file."""
        for segment in self.segments:
            if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise ElfError(f"{self.path!r} maps nothing at {address:#x}")

    def section_at(self, address: int) -> str:
        """Give the name of the section that holds `address`; empty when none does."""
        for section in self.sections:
            if section.address and section.address <= address < section.address + section.size:
                return section.name
        return ""

    def read(self, offset: int, size: int) -> bytes:
        """Give `size` bytes from `offset`, all of them."""
        if not 0 <= size <= _PIECE_LIMIT or offset + size > self.size:
            raise ElfError(f"{self.path!r} is cut short or damaged: it refers to {size} bytes at {offset} and has {self.size}")
        self._read += size
        if self._read > _READ_LIMIT:
            raise ElfError(f"{self.path!r} is damaged: it refers to the same pieces again and again")
        try:
            piece = os.pread(self._fd, size, offset)
        except OSError as error:
            raise ElfError(f"{self.path!r} cannot be read: {error.strerror}") from None
        if len(piece) != size:
            raise ElfError(f"{self.path!r} was cut short while it was read")
        return piece

    def _read_header(self) -> None:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise ElfError(f"{self.path!r} is not a regular file")
        self.size, self.device, self._modified = status.st_size, status.st_dev, status.st_mtime_ns
        ident, _, self.machine, _, _, *rest = _HEADER.unpack(self.read(0, _HEADER.size))
        if ident[:4] != b"\x7fELF":
            raise ElfError(f"{self.path!r} is not an ELF file")
        if ident[4:6] != _CLASS64_LITTLE:
            raise ElfError(f"{self.path!r} is not a little-endian 64-bit ELF file")
        self._segment_at, self._section_at, _, _, _, self._segment_count, _, self._section_count, self._names_index = rest

    def _table(self, at: int, form: struct.Struct, count: int) -> list[tuple[int, ...]]:
        return list(form.iter_unpack(self.read(at, form.size * count)))


def find_in_turns(data: bytes, wanted: bytes, start: int) -> int:
    """Give what `data.find(wanted, start)` gives, letting other threads run."""
    for at in range(start, len(data), _TURN):
        found = data.find(wanted, at, at + _TURN + len(wanted) - 1)
        if found >= 0:
            return found
    return -1


def string_at(strings: bytes, at: int, most: int = _NAME_LIMIT) -> str:
    """Give the string that begins at `at` of a section of strings, `most` bytes of it."""
    return strings[at : at + most].partition(b"\0")[0].decode("utf-8", "backslashreplace")

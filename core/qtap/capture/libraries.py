"""Which files may hold a TLS library: what the linker would load, and every shared object that processes have mapped.

A probe belongs to a file, not to a process, so each file is wanted once, however many processes or containers share it. Some
are TLS libraries by their name; any other may carry one, as Python's wheels do. A look at 530 processes takes 40 ms.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from qtap.capture.elf import Elf, ElfError
from qtap.capture.ldcache import FOLDERS, library_paths
from qtap.capture.tls import library_of

_MAPPING = re.compile(rb"\n([0-9a-f]+)-([0-9a-f]+) ..x. [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*\.so.*)")
"""Address range, device, inode and path of a shared object's executable mapping (Documentation/filesystems/proc.rst, 1.1)."""
_DELETED = " (deleted)"
LEAST = 1 << 16
"""Bytes of the smallest file that can carry a TLS library; bpf/libraries.h has the same."""


Identity = tuple[int, int, str, int]
"""Inode, size, build id, and time of change: the number of an inode is used again once its file is gone."""


class Library(msgspec.Struct):
    """One file that is, or may hold, a TLS library."""

    name: str
    """Its path as the process that mapped it sees it; several containers may call different files alike."""
    path: str
    """A path that opens it now: the name itself, or one in /proc, which lasts as long as the process."""
    inode: int
    size: int
    build_id: str
    """Empty when it has none or `problem` tells why it could not be read."""
    deleted: bool = False
    """Mapped, but replaced or removed on disk, as after an upgrade."""
    problem: str = ""
    """Why no probe can be set in it; one sentence."""
    pids: list[int] = []
    """The processes that have mapped it, in order of discovery."""
    executable: bool = False
    """A program or a shared object of any name, which may carry TLS libraries in its own file."""
    modified: int = 0
    """When its content changed last, nanoseconds since the epoch."""

    @property
    def identity(self) -> Identity:
        """The same for one file seen through several containers, whose overlays differ in device number only."""
        return self.inode, self.size, self.build_id, self.modified


_Places = dict[tuple[bytes, bytes, bytes], Library | None]


def libraries(procfs: Path = Path("/proc"), cache: Path = Path("/etc/ld.so.cache")) -> Iterator[Library]:
    """Give each file once: those that processes have mapped, then the TLS libraries that only the linker knows."""
    found: dict[Identity, Library] = {}
    places: _Places = {}
    for pid in sorted(int(entry) for entry in os.listdir(procfs) if entry.isdigit()):  # noqa: PTH208  50 us against 300
        _add_mapped(procfs, pid, found, places)
    for name in library_paths(cache, _is_named):
        library = file_of(os.path.realpath(name), os.path.realpath(name))
        if library:
            found.setdefault(library.identity, library)
    yield from found.values()


def libraries_of(pid: int, procfs: Path = Path("/proc"), inode: int = 0) -> Iterator[Library]:
    """Give each file that one process has mapped; none when it is gone.

    With `inode`, that file and those that are TLS libraries by their name.
    """
    found: dict[Identity, Library] = {}
    _add_mapped(procfs, pid, found, {}, inode)
    yield from found.values()


def libraries_in_root(pid: int, procfs: Path = Path("/proc")) -> Iterator[Library]:
    """Give each file in the root of a process that is a TLS library by its name, from the folders where the linker looks."""
    seen: set[tuple[int, int]] = set()
    for folder in FOLDERS:
        root = f"{procfs}/{pid}/root{folder}"
        try:
            status = os.stat(root)  # noqa: PTH116
            if (place := (status.st_dev, status.st_ino)) in seen:  # /lib is a link on most systems
                continue
            seen.add(place)
            names = os.listdir(root)  # noqa: PTH208  a third of the time, and it counts
        except OSError:
            continue
        for name in names:
            if _is_named(name) and (library := file_of(f"{folder}/{name}", f"{root}/{name}")):
                yield library


def inodes_in_use(procfs: Path = Path("/proc")) -> Iterator[set[int]]:
    """Give the inodes' numbers of the program and the shared objects of each process, one at each step."""
    for pid in [int(entry) for entry in os.listdir(procfs) if entry.isdigit()]:  # noqa: PTH208
        found = {int(mapping[5]) for mapping in _mappings(procfs, pid)}
        with contextlib.suppress(OSError):
            found.add(os.stat(f"{procfs}/{pid}/exe").st_ino)  # noqa: PTH116
        yield found


def _is_named(basename: str) -> bool:
    return library_of(basename) is not None


def _add_mapped(procfs: Path, pid: int, found: dict[Identity, Library], places: _Places, inode: int = 0) -> None:
    """Add what `pid` has mapped; `places` remembers files by device and inode, so that each is opened once."""
    for mapping in _mappings(procfs, pid):
        place = (mapping[3], mapping[4], mapping[5])
        if place not in places:
            wanted = not inode or int(mapping[5]) == inode or _is_named(_basename(mapping))
            library = _examine_mapping(procfs, pid, mapping) if wanted else None
            places[place] = found.setdefault(library.identity, library) if library else None
        known = places[place]
        if known is not None and pid not in known.pids:
            known.pids.append(pid)


def _mappings(procfs: Path, pid: int) -> Iterator[re.Match[bytes]]:
    """Give the executable mappings of `pid` whose file is a shared object by its name."""
    try:
        with open(f"{procfs}/{pid}/maps", "rb", buffering=0) as file:  # noqa: PTH123  2 us against 9, 500 times
            text = file.read()
    except OSError:
        return
    yield from _MAPPING.finditer(b"\n" + text)


def _basename(mapping: re.Match[bytes]) -> str:
    return os.path.basename(_name(mapping))  # noqa: PTH119  a name of another namespace


def _name(mapping: re.Match[bytes]) -> str:
    return os.fsdecode(mapping[6]).removesuffix(_DELETED)


def _examine_mapping(procfs: Path, pid: int, mapping: re.Match[bytes]) -> Library | None:
    """Open a mapped file by the first path that leads to it: its name, the mapping itself, the process's root."""
    name, inode = _name(mapping), int(mapping[5])
    device = os.makedev(int(mapping[3], 16), int(mapping[4], 16))
    by_mapping = f"{procfs}/{pid}/map_files/{int(mapping[1], 16):x}-{int(mapping[2], 16):x}"
    for path in (name, by_mapping, f"{procfs}/{pid}/root{name}"):
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            continue
        # Another namespace may hold another file of the same name and inode number, so the bare name must match fully.
        if status.st_ino == inode and (path != name or status.st_dev == device):
            library = file_of(name, path)
            if library:
                library.deleted = mapping[6].endswith(_DELETED.encode())
            return library
    return None


def file_of(name: str, path: str) -> Library | None:
    """Describe the file at `path`; None when it is gone, no regular file, or cannot hold a TLS library."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    is_named = _is_named(name.rpartition("/")[2])
    if not stat.S_ISREG(status.st_mode) or (status.st_size < LEAST and not is_named):
        return None
    library = Library(name, path, status.st_ino, status.st_size, "", executable=not is_named, modified=status.st_mtime_ns)
    try:
        with Elf(path) as elf:
            library.build_id = elf.build_id
    except ElfError as error:
        library.problem = str(error)
    return library

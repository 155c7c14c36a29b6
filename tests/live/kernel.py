"""What the kernel holds, asked by bpf(2) and /proc: whether anything of a program is left there."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from pathlib import Path

import msgspec

from qtap.capture.elf import Elf
from qtap.capture.openssl import probe_points

_NR_BPF = 321
_PROG_GET_FD_BY_ID, _MAP_GET_FD_BY_ID, _GET_INFO = 13, 14, 15
_PROG_GET_NEXT_ID, _MAP_GET_NEXT_ID, _LINK_GET_NEXT_ID = 11, 12, 31
_MAP_GET_NEXT_KEY = 4
_MAP_NAME = slice(24, 40)
"""Of struct bpf_map_info (include/uapi/linux/bpf.h); the next is of struct bpf_prog_info."""
_PROG_NAME = slice(64, 80)
_ID_LINE = re.compile(r"^(prog_id|map_id|link_id):\s*(\d+)$", re.MULTILINE)
_libc = ctypes.CDLL(None, use_errno=True)


class Held(msgspec.Struct, frozen=True):
    """The ids of a process's programs, maps and links."""

    programs: frozenset[int]
    maps: frozenset[int]
    links: frozenset[int]

    @property
    def left(self) -> list[tuple[str, int]]:
        """Those that the kernel still has, whoever holds them."""
        kinds = {"program": (self.programs, _PROG_GET_NEXT_ID), "map": (self.maps, _MAP_GET_NEXT_ID)}
        kinds["link"] = self.links, _LINK_GET_NEXT_ID
        return [(kind, ident) for kind, (ids, command) in kinds.items() for ident in sorted(ids & _all(command))]


def held_by(pid: int) -> Held:
    """Read from /proc what the descriptors of `pid` refer to."""
    found: dict[str, set[int]] = {"prog_id": set(), "map_id": set(), "link_id": set()}
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            ids = dict(_ID_LINE.findall(entry.read_text()))
        except FileNotFoundError:
            continue
        # A link names its program too; that is held by a descriptor of its own.
        kind = next((kind for kind in ("link_id", "map_id", "prog_id") if kind in ids), None)
        if kind:
            found[kind].add(int(ids[kind]))
    return Held(frozenset(found["prog_id"]), frozenset(found["map_id"]), frozenset(found["link_id"]))


def program_names() -> dict[int, str]:
    """Give the name of every program in the kernel, by id."""
    names = {}
    for ident in _all(_PROG_GET_NEXT_ID):
        info = _info(_PROG_GET_FD_BY_ID, ident)
        if info:
            names[ident] = info[_PROG_NAME].rstrip(b"\0").decode()
    return names


def entries(pid: int, name: str) -> int:
    """Count the entries of the hash map `name`, with keys of 4 bytes, that `pid` holds."""
    (ident,) = (
        ident for ident in held_by(pid).maps if _info(_MAP_GET_FD_BY_ID, ident)[_MAP_NAME].rstrip(b"\0") == name.encode()
    )
    fd = _bpf(_MAP_GET_FD_BY_ID, struct.pack("<I", ident))
    key, following = ctypes.create_string_buffer(4), ctypes.create_string_buffer(4)
    count, last = 0, 0
    while _bpf(_MAP_GET_NEXT_KEY, struct.pack("<IIQQ", fd, 0, last, ctypes.addressof(following))) == 0:
        key.raw, last = following.raw, ctypes.addressof(key)
        count += 1
    os.close(fd)
    return count


def breakpoints(pid: int, library: Path) -> list[bool]:
    """Say for each probe point of a library that `pid` has mapped whether a breakpoint stands there in its memory."""
    wanted = library.stat()
    with Elf(library) as elf:
        points = [point.offset for point in probe_points(elf)]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - no file to open by a Path
        return [_byte_at(pid, memory.fileno(), wanted.st_ino, offset) == b"\xcc" for offset in points]


def _byte_at(pid: int, memory: int, inode: int, offset: int) -> bytes:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split()
        start, end = (int(edge, 16) for edge in fields[0].split("-"))
        begin = int(fields[2], 16)
        if int(fields[4]) == inode and "x" in fields[1] and begin <= offset < begin + end - start:
            return os.pread(memory, 1, start + offset - begin)
    raise AssertionError(f"{pid} has not mapped offset {offset}")


def _all(command: int) -> set[int]:
    ids: set[int] = set()
    last = 0
    while True:
        attr = ctypes.create_string_buffer(struct.pack("<III", last, 0, 0), 144)
        if _libc.syscall(_NR_BPF, command, attr, 144) < 0:
            return ids
        last = struct.unpack_from("<I", attr.raw, 4)[0]
        ids.add(last)


def _bpf(command: int, attr: bytes) -> int:
    return int(_libc.syscall(_NR_BPF, command, ctypes.create_string_buffer(attr, 144), 144))


def _info(command: int, ident: int) -> bytes:
    """Give struct bpf_prog_info or bpf_map_info; empty when it is gone."""
    fd = _bpf(command, struct.pack("<I", ident))
    if fd < 0:
        return b""
    info = ctypes.create_string_buffer(256)
    _bpf(_GET_INFO, struct.pack("<IIQ", fd, 80, ctypes.addressof(info)))
    os.close(fd)
    return info.raw

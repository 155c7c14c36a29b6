"""Files that were just written: a program or library can have its probes before it is first executed.

A new program makes its first TLS request 4 ms after it is executed, sooner than it can be looked into. Whoever builds, copies
or unpacks it closes it some milliseconds before.

Watched are the file systems that hold the system itself, at the start of capture. Others are left alone, since they may be
unmounted, which an open file, or one with probes, forbids; those of a network or a program, which may not answer; and a
container's own, whose writes the kernel does not tell here.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from qtap.capture.fanotify import CLOSE_WRITE, Group
from qtap.capture.libraries import LEAST, Library, file_of

_FOLDERS = ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/srv", "/var", "/var/lib/docker")
_MOUNTS = Path("/proc/self/mountinfo")
_LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "tmpfs", "overlay"))
"""Kinds of file systems."""
_MOST = 500
"""Files a second; when there are more, nothing is told until the next second: a lone one takes 100 us, one of many 25 us."""
_HEAD = struct.Struct("<4s12xH")
"""Of an ELF header: magic and e_type."""
_EXEC, _DYN = 2, 3


class Written:
    """Tells of each program and shared object that somebody wrote and closed; one thread calls its methods."""

    def __init__(self, folders: Iterable[str] = _FOLDERS) -> None:
        """Watch the file systems of `folders`; raises OSError where that is not allowed."""
        self._group = Group()
        self._second = self._count = 0
        self._resting = False
        self._roots = [root for root in _local_roots(folders) if self._watches(root)]

    @property
    def fd(self) -> int:
        """Readable when there is something to `take`."""
        return self._group.fd

    @property
    def resting(self) -> float:
        """Seconds until `resume` is due; 0 while it watches."""
        return max(self._second + 1 - time.monotonic(), 0.001) if self._resting else 0.0

    def resume(self) -> None:
        """Watch again, if it is time."""
        if self._resting and time.monotonic() >= self._second + 1:
            self._resting = False
            for root in self._roots:
                self._watches(root)

    def take(self) -> Iterator[tuple[int, Library]]:
        """Give what was written: an open descriptor, which is the caller's to close, and what it is."""
        for file in self._group.files():
            self._bound()
            library = _look(file)
            if library is None:
                os.close(file)
            else:
                yield file, library

    def close(self) -> None:
        """Watch no more."""
        self._group.close()

    def _watches(self, root: str) -> bool:
        try:
            self._group.watch(root, CLOSE_WRITE, whole=True)
        except OSError:  # a file system that cannot
            return False
        return True

    def _bound(self) -> None:
        now = int(time.monotonic())
        if now != self._second:
            self._second, self._count = now, 0
        self._count += 1
        if self._count == _MOST:
            self._resting = True
            for root in self._roots:
                with contextlib.suppress(OSError):
                    self._group.leave(root, CLOSE_WRITE)


def _local_roots(folders: Iterable[str], mounts: Path = _MOUNTS) -> list[str]:
    """Give one of `folders` for each file system of this host that holds some; asks none of them, since one may not answer."""
    found: dict[str, tuple[str, str]] = {}
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        fields, _, kind = line.partition(" - ")
        _, _, device, _, point, *_ = fields.split()
        found[point] = device, kind.split()[0]  # the last one covers those before
    roots: dict[str, str] = {}
    for folder in folders:
        points = [folder[:end] or "/" for end in range(len(folder) + 1) if folder[end : end + 1] in ("", "/")]
        device, kind = next((found[point] for point in reversed(points) if point in found), ("", ""))
        if kind in _LOCAL:
            roots.setdefault(device, folder)
    return [*roots.values()]


def _look(file: int) -> Library | None:
    """Describe what was written; None when it is no program and no shared object, or too small to hold a TLS library."""
    try:
        head = os.pread(file, _HEAD.size, 0)
        if len(head) < _HEAD.size or not head.startswith(b"\x7fELF"):
            return None
        if _HEAD.unpack(head)[1] not in {_EXEC, _DYN} or os.fstat(file).st_size < LEAST:
            return None
        path = f"/proc/self/fd/{file}"
        return file_of(os.readlink(path), path)  # noqa: PTH115
    except OSError:
        return None

"""Files that another user or a container placed, opened so that nothing there leads to a file of anybody else.

A container decides what its /tmp is. Were that a link to /etc, a path through /proc/PID/root would lead to the host's.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager

_OPENAT2 = 437
_RESOLVE, _NO_LINKS = 0x02 | 0x10, 0x04
"""RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT of linux/openat2.h: links stay below the root, /proc's magic ones are refused; and
RESOLVE_NO_SYMLINKS."""
_HOW = struct.Struct("<QQQ")

_libc = ctypes.CDLL(None, use_errno=True)


def open_inside(root: int, path: str | bytes, flags: int, *, links: bool = True) -> int:
    """Open `path` as a process whose root is the folder `root` would (openat2(2), Linux 5.6); raises OSError.

    Without `links`, a path that leads through a symbolic link is refused.
    """
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, _RESOLVE | (0 if links else _NO_LINKS))
    fd = int(_libc.syscall(_OPENAT2, root, os.fsencode(path), how, len(how)))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return fd


def read_inside(folder: str, path: str, owners: Collection[int], limit: int) -> bytes:
    """Give the content of the regular file `path` in `folder`, of at most `limit` bytes, that one of the users `owners` owns.

    `folder` is trusted and may be a link, what is in it may not. A file that is not so, or not there, raises OSError.
    """
    with _opened(folder, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, owners, stat.S_IFREG) as file:
        if os.fstat(file).st_size > limit:
            raise OSError(f"{path} is too long")
        return os.read(file, limit)


@contextmanager
def socket_inside(folder: str, path: str, owners: Collection[int]) -> Iterator[str]:
    """Give a path to the socket `path` in `folder` by which it can be connected to; likewise."""
    with _opened(folder, path, os.O_PATH | os.O_NOFOLLOW, owners, stat.S_IFSOCK) as found:
        yield f"/proc/self/fd/{found}"


@contextmanager
def _opened(folder: str, path: str, flags: int, owners: Collection[int], kind: int) -> Iterator[int]:
    root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = open_inside(root, path, flags, links=False)
    finally:
        os.close(root)
    try:
        status = os.fstat(found)
        if stat.S_IFMT(status.st_mode) != kind or status.st_uid not in owners:
            raise PermissionError(f"{path} is of another kind, or somebody else's")
        yield found
    finally:
        os.close(found)

"""Files of another process's mount namespace, opened so that nothing in there leads out of it.

A container decides what its /tmp is. Were that a link to /etc, a path through /proc/PID/root would lead to the host's.
"""

from __future__ import annotations

import ctypes
import os
import struct

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

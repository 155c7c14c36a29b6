"""What the kernel tells of files (fanotify(7)): events that are over, for whose answer nobody waits."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

MODIFY, CLOSE_WRITE = 2, 8
_CLOEXEC_NONBLOCK = 3
_ADD, _REMOVE, _FILESYSTEM = 1, 2, 0x100
_EVENT = struct.Struct("<IBBHQii")
"""struct fanotify_event_metadata: event_len vers reserved metadata_len mask fd pid."""
_VERSION = 3
_BATCH = _EVENT.size * 64
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]


class Group:
    """Tells of the files and file systems that it watches."""

    def __init__(self) -> None:
        """Watch nothing yet; raises OSError where that is not allowed."""
        self.fd: int = _libc.fanotify_init(_CLOEXEC_NONBLOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME)
        if self.fd < 0:
            raise _error("fanotify_init")

    def close(self) -> None:
        """Watch no more."""
        os.close(self.fd)

    def watch(self, path: str, mask: int, *, whole: bool = False) -> None:
        """Tell of the file at `path`, or of all its file system's (Linux 4.20); raises OSError."""
        self._mark(_ADD | _FILESYSTEM * whole, mask, path)

    def leave(self, path: str, mask: int) -> None:
        """Tell no more of a file system; raises OSError."""
        self._mark(_REMOVE | _FILESYSTEM, mask, path)

    def files(self) -> Iterator[int]:
        """Give an open descriptor, which is the receiver's to close, of each file to which something happened by now.

        This process's own doing is left out.
        """
        while True:
            try:
                events = os.read(self.fd, _BATCH)
            except OSError:  # nothing more
                return
            for _, version, _, _, _, file, pid in _EVENT.iter_unpack(events):
                if file < 0:  # the kernel's queue was full
                    continue
                if version != _VERSION or pid == os.getpid():
                    os.close(file)
                else:
                    yield file

    def _mark(self, how: int, mask: int, path: str) -> None:
        if _libc.fanotify_mark(self.fd, how, mask, _AT_FDCWD, os.fsencode(path)) < 0:
            raise _error("fanotify_mark")


def _error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")

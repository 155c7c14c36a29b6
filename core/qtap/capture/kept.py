"""Results kept in a folder of this program's user: a file that others could have written is ignored.

What was not used for longest goes when there is too much: another kernel, or another version of this program, asks for files of
other names, and would leave them for ever.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_MOST = 24
"""Files in the folder: programs for a kernel are 800 KB, what libraries hold 300 bytes each."""


def read_kept(path: Path) -> bytes | None:
    """Give a kept result, but only from a file that nobody else can have written."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            with contextlib.suppress(OSError):  # a read-only disk
                os.utime(file.fileno())
            return file.read()
    except OSError:
        return None


def keep(folder: Path, name: str, content: bytes) -> None:
    """Keep a result; a read-only or full disk is no reason to stop."""
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
        temporary.rename(folder / name)
        _evict(folder)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _evict(folder: Path) -> None:
    for path in sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns, reverse=True)[_MOST:]:
        path.unlink()

"""Results kept in a folder of this program's user: a file that others could have written is ignored."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def read_kept(path: Path) -> bytes | None:
    """Give a kept result, but only from a file that nobody else can have written."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            ours = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            return file.read() if ours else None
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
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()

"""Which programs this host runs: any of them may carry a TLS library in its own file.

Each file is looked into once, by device, inode and time of change; a look at 500 processes of 100 programs takes 5 ms when all
are known.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from qtap.capture.elf import Elf, ElfError
from qtap.capture.libraries import Library

_KNOWN = 16384
"""Files remembered; one that was forgotten is looked into again."""


class Executables:
    """Gives each executable file once."""

    def __init__(self, procfs: Path = Path("/proc")) -> None:
        self._procfs = procfs
        self._known: OrderedDict[tuple[int, int, int], None] = OrderedDict()

    def running(self) -> Iterator[Library]:
        """Give the executables of all processes that were not given before."""
        for pid in sorted(int(entry) for entry in os.listdir(self._procfs) if entry.isdigit()):  # noqa: PTH208  as in libraries
            yield from self.of(pid)

    def of(self, pid: int) -> Iterator[Library]:
        """Give the executable of one process unless it was given before; none when the process is gone or the kernel's own."""
        path = f"{self._procfs}/{pid}/exe"
        try:
            status = os.stat(path)  # noqa: PTH116  once a process
            key = status.st_dev, status.st_ino, status.st_mtime_ns
            if key in self._known or not stat.S_ISREG(status.st_mode):
                return
            name = os.readlink(path)  # noqa: PTH115
            with Elf(path) as elf:
                library = Library(name, path, status.st_ino, status.st_size, elf.build_id, pids=[pid], executable=True)
        except (OSError, ElfError):
            return
        self._known[key] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        yield library

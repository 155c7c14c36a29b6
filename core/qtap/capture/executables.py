"""Which programs this host runs: any of them may carry a TLS library in its own file.

Each file is looked into once, by device, inode and time of change; a look at 500 processes of 100 programs takes 5 ms when all
are known.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qtap.capture.elf import Elf, ElfError
from qtap.capture.libraries import Library
from qtap.capture.pclntab import is_go

_KNOWN = 16384
"""Files remembered; one that was forgotten is looked into again."""
_Key = tuple[int, int, int]
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Executables:
    """Gives each executable file once."""

    def __init__(self, procfs: Path = Path("/proc")) -> None:
        self._procfs = procfs
        self._known: OrderedDict[tuple[int, int, int], None] = OrderedDict()

    def running(self) -> Iterator[Library]:
        """Give the executables of all processes that were not given before."""
        for pid in sorted(int(entry) for entry in os.listdir(self._procfs) if entry.isdigit()):  # noqa: PTH208  as in libraries
            yield from self.of(pid)

    def installed(self, folders: Iterable[str] = _FOLDERS) -> Iterator[list[Library]]:
        """Look into the files of these folders, one at each step, for programs that Go built: give those not given before.

        Such a tool makes its first request a few milliseconds after it was executed, sooner than its file can be looked into.
        They are given again when they run: these steps tell only what they are.
        """
        given: OrderedDict[_Key, None] = OrderedDict()
        for folder in dict.fromkeys(os.path.realpath(folder) for folder in folders):
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    yield self._examine(entry.path, os.path.realpath(entry.path), given, is_wanted=is_go)

    def of(self, pid: int) -> Iterator[Library]:
        """Give the executable of one process unless it was given before; none when the process is gone or the kernel's own."""
        path = f"{self._procfs}/{pid}/exe"
        try:
            name = os.readlink(path)  # noqa: PTH115
        except OSError:
            return
        for library in self._examine(path, name, self._known):
            library.pids.append(pid)
            yield library

    def _examine(
        self, path: str, name: str, given: OrderedDict[_Key, None], is_wanted: Callable[[Elf], bool] = lambda _: True
    ) -> list[Library]:
        """Open one file, unless it was given before; none when it cannot be read."""
        try:
            status = os.stat(path)  # noqa: PTH116  once a process
            key = status.st_dev, status.st_ino, status.st_mtime_ns
            if key in given or key in self._known or not stat.S_ISREG(status.st_mode):
                return []
            with Elf(path) as elf:
                if not is_wanted(elf):
                    return []
                library = Library(name, path, status.st_ino, status.st_size, elf.build_id, pids=[], executable=True)
                library.modified = status.st_mtime_ns
        except (OSError, ElfError):
            return []
        given[key] = None
        if len(given) > _KNOWN:
            given.popitem(last=False)
        return [library]

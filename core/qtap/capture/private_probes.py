"""Probes of single processes, which carry a TLS library's ciphertext in BIOs of their own, for as long as they need them."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from qtap.capture.bio import any_bio_points
from qtap.capture.bpf import VerifierError
from qtap.capture.elf import Elf, ElfError
from qtap.capture.engine import Engine
from qtap.capture.libraries import libraries_of
from qtap.capture.probed import set_points

_log = logging.getLogger("qtap")
_LIMIT = 64
"""Processes; what has such probes longest goes first."""
_NEEDED_FOR = 300.0
"""Seconds until it is looked whether a process needs them: each costs 14 us a call where the kernel single-steps it."""


class PrivateProbes:
    """One thread calls all methods, and returns at once; `put` has a function called on the thread that sets probes."""

    def __init__(self, engine: Engine, put: Callable[[Callable[[], None]], None]) -> None:
        self._engine = engine
        self._put = put
        self._due: OrderedDict[int, float] = OrderedDict()
        """The processes, and when it is looked whether they need their probes."""
        self._links: dict[int, list[int]] = {}

    def seek(self, pid: int) -> None:
        """Tell that TLS handles of `pid` have no socket, though its library's BIOs for memory are probed."""
        self._due[pid] = time.monotonic() + _NEEDED_FOR
        self._put(lambda: self._attach(pid))
        if len(self._due) > _LIMIT:
            self.exited(next(iter(self._due)))

    def exited(self, pid: int) -> None:
        """Tell that a process is gone, or runs another program."""
        if self._due.pop(pid, None) is not None:
            self._put(lambda: self._engine.remove(self._links.pop(pid, [])))

    def drop_unneeded(self) -> list[int]:
        """Remove the probes of processes all of whose TLS handles had sockets for five minutes; give the processes."""
        now = time.monotonic()
        due = [pid for pid, at in self._due.items() if at <= now]
        unneeded = [pid for pid in due if not self._engine.has_sought(pid)]
        self._due.update(dict.fromkeys(due, now + _NEEDED_FOR))
        for pid in unneeded:
            self.exited(pid)
        return unneeded

    def _attach(self, pid: int) -> None:
        for path in [*(library.path for library in libraries_of(pid)), f"/proc/{pid}/exe"]:
            try:
                with Elf(path) as elf:
                    links = set_points(self._engine, elf.descriptor_path, any_bio_points(elf), pid)
                    self._links.setdefault(pid, []).extend(links)
            except (ElfError, OSError, VerifierError) as error:
                _log.debug("no probes for the BIOs of %d in %s: %s", pid, path, error)

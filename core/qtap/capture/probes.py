"""Setting probes: on every TLS library known at the start, and on new ones as processes map them."""

from __future__ import annotations

import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Iterable

from qtap.capture.elf import ElfError
from qtap.capture.engine import Engine
from qtap.capture.libraries import Library, libraries, libraries_of
from qtap.capture.probe import ProbePoint
from qtap.capture.tls import library_of

_ENTER = {-1: "ssl_enter", 3: "ssl_enter_4", 4: "ssl_enter_5"}
"""The entry program by the position of the argument that receives the byte count."""
_log = logging.getLogger("qtap")
_PLAIN = {"set_fd": "ssl_set_fd", "free": "ssl_free"}


class Prober:
    """Attaches each library file once, on the caller's thread at the start and on `qtap-probes` later."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        """Probes set so far."""
        self._engine = engine
        self._seen: set[object] = set()
        self._mapped: queue.SimpleQueue[tuple[int, int, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="qtap-probes", daemon=True)

    def attach_known(self) -> list[str]:
        """Attach every library that the linker or a running process holds; give their paths."""
        return self._attach_all(libraries())

    def start(self) -> None:
        """Begin to attach what `mapped` tells of."""
        self._thread.start()

    def mapped(self, pid: int, inode: int, superblock: int) -> None:
        """Tell that `pid` mapped a library never seen before; returns at once."""
        self._mapped.put((pid, inode, superblock))

    def stop(self) -> None:
        """End the thread."""
        self._mapped.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _run(self) -> None:
        while (told := self._mapped.get()) is not None:
            pid, inode, superblock = told
            found = list(libraries_of(pid))
            self._attach_all(found)
            # The process may be gone, and its view of the file with it.
            if not any(library.inode == inode and library.identity in self._seen for library in found):
                self._engine.forget_library(inode, superblock)

    def _attach_all(self, found: Iterable[Library]) -> list[str]:
        attached = []
        for library in found:
            if library.identity in self._seen:
                continue
            problem = library.problem or self._attach(library)
            if problem is None:
                continue
            self._seen.add(library.identity)
            if problem:
                _log.warning("no probes in %s: %s", library.name, problem)
            else:
                attached.append(library.name)
        return attached

    def _attach(self, library: Library) -> str | None:
        """Set the probes of one file; give the reason when that cannot be done, None when the file is out of reach by now."""
        try:
            points = self._points(library)
            self._set(library.path, points)
        except FileNotFoundError:
            return None
        except (ElfError, OSError) as error:
            return str(error)
        return "" if points else "it lacks the functions that carry plaintext"

    @staticmethod
    def _points(library: Library) -> list[ProbePoint]:
        kind = library_of(library.name.rpartition("/")[2])
        return kind.probe_points(library.path) if kind else []

    def _set(self, path: str, points: list[ProbePoint]) -> None:
        places: dict[tuple[str, bool], set[int]] = defaultdict(set)
        for point in points:
            for program, at_return in _programs(point):
                places[program, at_return].add(point.offset)
        # Returns first: a call is then either seen whole or not at all.
        for (program, at_return), offsets in sorted(places.items(), key=lambda item: not item[0][1]):
            self._engine.probe(path, program, sorted(offsets), at_return=at_return)
            self.count += len(offsets)


def _programs(point: ProbePoint) -> list[tuple[str, bool]]:
    """Give the programs for a point, and whether each runs at the return."""
    if not point.has_return:
        return [(_PLAIN[point.kind], False)]
    direction = "read" if point.kind.startswith("read") else "write"
    return [(_ENTER[point.count_argument], False), (f"ssl_leave_{direction}", True)]

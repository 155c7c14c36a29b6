"""Which files have probes, so that none has them twice, and none keeps those of what it held before.

A file with probes stays, and its inode's number with it, until they are removed: the link in the kernel holds it. What is
written into it meanwhile is another program, of which the kernel would run the former instructions at those places: so whoever
opens one for writing waits until its probes are gone (a tenth of a second), by a lease where the file system has them. And when
it is removed, as each program of `go test` or `go run` is, its space is given back only when its probes are gone, too.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from qtap.capture.elf import Elf, ElfError
from qtap.capture.engine import Engine
from qtap.capture.leases import Leases
from qtap.capture.libraries import Library
from qtap.capture.overwritten import Overwritten
from qtap.capture.probe import ProbePoint

_CODE = 16
"""Bytes: the longest instruction has 15."""


class BusyError(ElfError):
    """Somebody writes to the file: nothing can be said of it until it is closed, which is told."""


class _Probes(NamedTuple):
    """Those of one TLS library in one file."""

    device: int
    library: Library
    name: str
    points: list[ProbePoint]
    code: list[bytes]
    """What the file held at each of them."""
    links: list[int]
    file: int
    """A descriptor of the file, which its lease is for."""

    def are_in(self, elf: Elf, library: Library) -> bool:
        """Whether that file is this one, which containers see under different device numbers."""
        return elf.device == self.device or library.identity == self.library.identity

    def is_removed(self) -> bool:
        """Whether the file has no name any more."""
        return not os.fstat(self.file).st_nlink


class Probed:
    """Sets probes, and removes them when somebody writes into their file."""

    def __init__(self, engine: Engine, forget: Callable[[Library], object] = lambda _: None) -> None:
        """`forget` is told, on any thread, of each file that has lost probes since it holds something else."""
        self.count = 0
        """Probes set so far."""
        self._engine = engine
        self._tell = forget
        self._lock = threading.Lock()
        self._by_inode: dict[int, list[_Probes]] = {}
        self._overwritten: Overwritten | None = None
        self._leases = Leases(self._make_way)
        self._closed = False

    def start(self) -> None:
        """Begin to watch the files that get probes from now on; raises OSError where that is not allowed."""
        self._overwritten = Overwritten(self.drop_stale)

    @property
    def thread_ids(self) -> tuple[int, ...]:
        """What the kernel calls the threads that remove what is stale, for which others wait."""
        return self._leases.thread_id, *((self._overwritten.thread_id,) if self._overwritten else ())

    def stop(self) -> None:
        """Touch the engine no more."""
        with self._lock:
            self._closed = True
            for probes in self._all():
                self._leases.close(probes.file)
            self._by_inode.clear()
        self._leases.stop()
        if self._overwritten:
            self._overwritten.stop()

    def drop_stale(self, file: int) -> None:
        """Remove the probes of the file open as `file` where it holds something else by now."""
        status = os.fstat(file)
        with self._lock:
            here = [probes for probes in self._by_inode.get(status.st_ino, []) if status.st_dev == probes.device]
            stale = [probes for probes in here if _code(file, probes.points) != probes.code]
            self._drop(stale)
        for probes in stale:
            self._tell(probes.library)

    def put(self, elf: Elf, library: Library, name: str, points: list[ProbePoint]) -> None:
        """Set the probes of the TLS library `name`, unless they are there. Raises ElfError, OSError, VerifierError."""
        with self._lock:
            before = [
                probes
                for probes in self._by_inode.get(library.inode, [])
                if probes.name == name and probes.are_in(elf, library)
            ]
            if self._closed or any(probes.points == points for probes in before):
                return
            self._drop(before)
            self._by_inode.setdefault(library.inode, []).append(self._set(elf, library, name, points))
            self.count += sum(bool(point.enter) + bool(point.leave) for point in points)

    def removed(self) -> set[int]:
        """Give the inodes of the files that have probes and no name any more."""
        with self._lock:
            return {probes.library.inode for probes in self._all() if probes.is_removed()}

    def let_go(self, inodes: set[int]) -> list[Library]:
        """Remove the probes of files that nobody can run any more; gives the files, at once."""
        with self._lock:
            gone = [probes for probes in self._all() if probes.library.inode in inodes and probes.is_removed()]
            links = self._forget(gone)
        # Nobody waits for it, and the kernel takes its time.
        threading.Thread(target=self._engine.remove, args=(links,), name="qtap-removal", daemon=True).start()
        return [probes.library for probes in gone]

    def _set(self, elf: Elf, library: Library, name: str, points: list[ProbePoint]) -> _Probes:
        file = os.open(elf.descriptor_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.ExitStack() as undo:
            undo.callback(self._leases.close, file)
            self._watch(file, elf.descriptor_path, library.name)
            code = _code(elf.descriptor, points)
            if elf.is_changed:  # before it was watched
                raise ElfError(f"{library.name} was written to while it was looked into")
            links = set_points(self._engine, elf.descriptor_path, points)
            undo.pop_all()
        return _Probes(elf.device, library, name, points, code, links, file)

    def _watch(self, file: int, path: str, name: str) -> None:
        """Have whoever writes to the file wait for the end of its probes, or, where that cannot be had, hear of it."""
        try:
            self._leases.take(file)
        except BlockingIOError:
            raise BusyError(f"{name} is being written to") from None
        except OSError:
            if self._overwritten:
                self._overwritten.watch(path)

    def _make_way(self, file: int) -> None:
        """Remove the probes of a file that somebody is about to write to, who waits for that."""
        with self._lock:
            stale = [probes for probes in self._all() if probes.file == file]
            self._drop(stale)
        for probes in stale:
            self._tell(probes.library)

    def _drop(self, stale: list[_Probes]) -> None:
        self._engine.remove([link for probes in stale for link in probes.links])
        self._forget(stale)

    def _forget(self, stale: list[_Probes]) -> list[int]:
        for probes in stale:
            known = self._by_inode[probes.library.inode]
            known.remove(probes)
            if not known:
                del self._by_inode[probes.library.inode]
            self._leases.close(probes.file)
        return [link for probes in stale for link in probes.links]

    def _all(self) -> list[_Probes]:
        return [probes for known in self._by_inode.values() for probes in known]


def set_points(engine: Engine, path: str, points: list[ProbePoint], pid: int = 0) -> list[int]:
    """Set probes in the file at `path`, all or none, in every process or in `pid` alone; gives what `Engine.remove` takes.

    Raises OSError, VerifierError.
    """
    places: dict[tuple[bool, str], set[int]] = defaultdict(set)
    for point in points:
        for at_return, program in ((False, point.enter), (True, point.leave)):
            if program:
                places[at_return, program].add(point.offset)
    links: list[int] = []
    with contextlib.ExitStack() as undo:
        undo.callback(engine.remove, links)
        # Returns first: a call is then either seen whole or not at all.
        for (at_return, program), offsets in sorted(places.items(), key=lambda item: not item[0][0]):
            links += engine.probe(path, program, sorted(offsets), at_return=at_return, pid=pid)
        undo.pop_all()
    return links


def _code(file: int, points: list[ProbePoint]) -> list[bytes]:
    return [os.pread(file, _CODE, point.offset) for point in points]

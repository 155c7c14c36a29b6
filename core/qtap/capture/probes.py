"""Setting probes: on every TLS library known at the start, and on new ones as processes map them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from qtap.capture.bio import any_bio_points
from qtap.capture.bpf import VerifierError
from qtap.capture.compiler import Bytecode, CompileError
from qtap.capture.elf import Elf, ElfError
from qtap.capture.engine import Engine
from qtap.capture.examine import Examiner, Finding
from qtap.capture.executables import Executables
from qtap.capture.libraries import Library, libraries, libraries_in_root, libraries_of
from qtap.capture.probe import ProbePoint
from qtap.capture.tls import NAMES

_log = logging.getLogger("qtap")
_REMEMBERED = 65_536
"""Files; a host that runs more looks into some again."""
_SOUGHT_LIMIT = 64
"""Processes with probes of their own; what has them longest goes first."""
_NEEDED_FOR = 300.0
"""Seconds until a process that has probes of its own is looked at: each costs 14 us a call where the kernel single-steps it."""


class Prober:
    """Attaches each file once, on the caller's thread at the start and on `qtap-probes` later."""

    def __init__(self, engine: Engine, chosen: Collection[str] = NAMES, rest: Callable[[], Bytecode] | None = None) -> None:
        """`rest` gives, in seconds, the programs that `engine` has not."""
        self.count = 0
        """Probes set so far."""
        self.attached: list[str] = []
        """Names of the files that had probes when `complete` came to hold."""
        self.findings: OrderedDict[tuple[int, int, str], Finding] = OrderedDict()
        """What each file holds, by `Library.identity`; read by other threads."""
        self.complete = False
        """Whether what was known at the start is attached, all of it."""
        self._rest = rest
        self._compiles = rest is not None
        self._stopping = False
        self._waiting: list[Library] = []
        """Those that need programs which are not there yet."""
        self._sought: OrderedDict[int, float] = OrderedDict()
        """The processes that have probes of their own, and when it is seen whether they need them."""
        self._engine = engine
        self._examiner = Examiner(chosen)
        self._executables = Executables()
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="qtap-probes", daemon=True)

    def attach_known(self) -> None:
        """Attach every library that the linker or a running process holds, but those that `complete` waits for."""
        self._attach_all(libraries())
        self._attach_all(self._executables.running())

    def start(self) -> None:
        """Begin to attach what waits, and what `mapped` and `executed` tell of."""
        self._jobs.put(self._complete)
        self._thread.start()

    @property
    def thread_id(self) -> int:
        """What the kernel calls the thread, once started: a new program may make its first request before that has its turn."""
        return self._thread.native_id or 0

    def mapped(self, pid: int, inode: int, superblock: int) -> None:
        """Tell that `pid` mapped a library never seen before; returns at once."""
        self._jobs.put(lambda: self._attach_mapped(pid, inode, superblock))

    def rooted(self, pid: int) -> None:
        """Tell that `pid` has another root directory, as the first process of a new container has; returns at once."""
        self._jobs.put(lambda: self._attach_all(libraries_in_root(pid)))

    def executed(self, pid: int) -> None:
        """Tell that `pid` began to run a program, of which nothing is known; returns at once."""
        self.exited(pid)
        self._jobs.put(lambda: self._attach_all(self._executables.of(pid)))

    def seek(self, pid: int) -> None:
        """Tell that TLS handles of `pid` have no socket, though its library's BIOs for memory are probed; returns at once."""
        self._sought[pid] = time.monotonic() + _NEEDED_FOR
        self._jobs.put(lambda: self._attach_bios(pid))
        if len(self._sought) > _SOUGHT_LIMIT:
            self.exited(next(iter(self._sought)))

    def exited(self, pid: int) -> None:
        """Tell that a process is gone; returns at once."""
        if self._sought.pop(pid, None) is not None:
            self._jobs.put(lambda: self._engine.release(pid))

    def drop_unneeded(self) -> list[int]:
        """Remove probes of processes all of whose TLS handles had sockets for five minutes; give the processes, at once."""
        now = time.monotonic()
        due = [pid for pid, at in self._sought.items() if at <= now]
        unneeded = [pid for pid in due if not self._engine.has_sought(pid)]
        self._sought.update(dict.fromkeys(due, now + _NEEDED_FOR))
        for pid in unneeded:
            self.exited(pid)
        return unneeded

    def stop(self) -> None:
        """End the thread: it touches the engine no more."""
        self._stopping = True
        self._jobs.put(None)
        # A compiler at work ends with this process, and nothing is done with what it gives.
        if self._thread.is_alive() and not self._compiles:
            self._thread.join(timeout=1)

    def _complete(self) -> None:
        try:
            self._take_rest()
        except (CompileError, OSError) as error:
            _log.warning("only OpenSSL can be probed: %s", error)
        waiting, self._waiting = self._waiting, []
        if all(map(_is_there, waiting)):
            self._attach_all(waiting)
        else:  # the process that it was found in is gone, and another one may run it
            self._executables = Executables()
            self.attach_known()
        self.complete = True
        with contextlib.suppress(VerifierError, OSError):  # told of the first file that needs it
            if not self._stopping:
                self._engine.load_soon()

    def _take_rest(self) -> None:
        code: Bytecode | None = None
        try:
            code = self._rest() if self._rest else None
        finally:
            self._compiles = False
        if code is not None and not self._stopping:
            self._engine.add(code)

    def _run(self) -> None:
        installed = self._executables.installed()
        while not self._stopping and (job := self._next_job(installed)) is not None:
            job()

    def _next_job(self, installed: Iterator[list[Library]]) -> Callable[[], object] | None:
        """Give what waits, which is urgent; when nothing does, the next installed file."""
        with contextlib.suppress(queue.Empty):
            return self._jobs.get_nowait()
        found = next(installed, None)
        return self._jobs.get() if found is None else lambda: self._attach_all(found)

    def _attach_mapped(self, pid: int, inode: int, superblock: int) -> None:
        found = list(libraries_of(pid, inode=inode))
        self._attach_all(found)
        # The process may be gone, and its view of the file with it.
        known = any(library.inode == inode and library.identity in self.findings for library in found)
        if not known and not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110  once a library
            self._engine.forget_library(inode, superblock)

    def _attach_bios(self, pid: int) -> None:
        """Set probes for BIOs of any kind in one process: it brought its own."""
        for path in [*(library.path for library in libraries_of(pid)), f"/proc/{pid}/exe"]:
            try:
                with Elf(path) as elf:
                    self._set(elf.descriptor_path, any_bio_points(elf), pid)
            except (ElfError, OSError, VerifierError) as error:
                _log.debug("no probes for the BIOs of %d in %s: %s", pid, path, error)

    def _attach_all(self, found: Iterable[Library]) -> None:
        for library in found:
            if self._stopping:
                return
            has_probes = library.identity not in self.findings and self._attach(library)
            if has_probes and not self.complete:
                self.attached.append(library.name)
        self._examiner.keep()

    def _attach(self, library: Library) -> bool:
        """Set the probes of one file; the reason is logged when that cannot be done, unless the file is out of reach by now.

        While programs are compiled, what needs them is left to `_complete`.
        """
        try:
            with Elf(library.path) as elf:
                finding = self._examiner.examine(elf, library)
                points = [point for points in finding.points.values() for point in points]
                if self._compiles and self._engine.lacks(point.enter or point.leave for point in points):
                    self._waiting.append(library)
                    return False
                self._set(elf.descriptor_path, points)
        except (ElfError, OSError, VerifierError) as error:
            if not os.path.exists(library.path):  # noqa: PTH110  a process that is gone took its view of the file with it
                return False
            finding = Finding(problem=library.problem or str(error))
        self._remember(library, finding)
        return bool(finding.points)

    def _remember(self, library: Library, finding: Finding) -> None:
        self.findings[library.identity] = finding
        if len(self.findings) > _REMEMBERED:
            self.findings.popitem(last=False)
        if finding.problem:
            _log.warning("no probes in %s: %s", library.name, finding.problem)

    def _set(self, path: str, points: list[ProbePoint], pid: int = 0) -> None:
        places: dict[tuple[bool, str], set[int]] = defaultdict(set)
        for point in points:
            for at_return, program in ((False, point.enter), (True, point.leave)):
                if program:
                    places[at_return, program].add(point.offset)
        # Returns first: a call is then either seen whole or not at all.
        for (at_return, program), offsets in sorted(places.items(), key=lambda item: not item[0][0]):
            self._engine.probe(path, program, sorted(offsets), at_return=at_return, pid=pid)
            self.count += len(offsets)


def _is_there(library: Library) -> bool:
    """Whether the path of a library still leads to it."""
    try:
        return os.stat(library.path).st_ino == library.inode  # noqa: PTH116  once a process
    except OSError:
        return False

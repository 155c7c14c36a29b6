"""Setting probes: on every TLS library known at the start, and on new ones as they are written, executed and mapped."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Iterable

from qtap.capture import records
from qtap.capture.bpf import VerifierError
from qtap.capture.compiler import Bytecode, CompileError
from qtap.capture.elf import Elf, ElfError
from qtap.capture.engine import Engine
from qtap.capture.examine import Examiner, Finding, joined
from qtap.capture.executables import Executables
from qtap.capture.libraries import Identity, Library, inodes_in_use, libraries, libraries_in_root, libraries_of
from qtap.capture.priority import hurry
from qtap.capture.private_probes import PrivateProbes
from qtap.capture.probed import BusyError, Probed
from qtap.capture.tls import NAMES
from qtap.capture.workbench import Steps, Workbench
from qtap.capture.written import Written

_log = logging.getLogger("qtap")
_REMEMBERED = 65_536
"""Files; a host that runs more looks into some again."""
_MOST_UNDER_WAY = 256
"""Files under way, each of which stays open: what is written beyond that is looked into when it is executed."""
_URGENT_AT_ONCE = 4
"""Files: who unpacks more of them will not run each at once."""
_LET_GO_EVERY = 10.0
"""Seconds between two looks for files that were removed, of which the space is still taken."""


class Prober:
    """Attaches each file once, on the caller's thread at the start and on `qtap-probes` later."""

    def __init__(self, engine: Engine, chosen: Collection[str] = NAMES, rest: Callable[[], Bytecode] | None = None) -> None:
        """`rest` gives, in seconds, the programs that `engine` has not."""
        self.attached: list[str] = []
        """Names of the files that had probes when `complete` came to hold."""
        self.findings: OrderedDict[Identity, Finding] = OrderedDict()
        """What each file holds, by `Library.identity`; read by other threads."""
        self.complete = False
        """Whether what was known at the start is attached, all of it."""
        self._rest = rest
        self._compiles = rest is not None
        self._stopping = False
        self._waiting: list[Library] = []
        """Those that need programs which are not there yet."""
        self._under_way: dict[Identity, bool] = {}
        """And whether the file was told of again since it began."""
        self._next_look = time.monotonic() + _LET_GO_EVERY
        self._engine = engine
        self._written: Written | None = None
        self._probed = Probed(engine, self._forget)
        self._examiner = Examiner(chosen)
        self._executables = Executables()
        self._bench = Workbench(hurry)
        self.private = PrivateProbes(engine, self._bench.put)
        self._thread = threading.Thread(target=self._run, name="qtap-probes", daemon=True)

    @property
    def count(self) -> int:
        """Probes set so far."""
        return self._probed.count

    def watch_files(self) -> None:
        """Begin to look into what is written before it is executed, and to remove probes from what is written over."""
        self._bench.watch(self._engine.news.fd, lambda: self._engine.news.drain(self._take_news))
        try:
            self._probed.start()
            self._written = Written()
            self._bench.watch(self._written.fd, self._take_written)
        except OSError as error:
            _log.debug("what is written is not looked into before it is executed: %s", error)

    def attach_known(self) -> None:
        """Attach every library that the linker or a running process holds, but those that `complete` waits for."""
        for found in (libraries(), self._executables.running()):
            for _ in self._attach_all(found):
                pass

    def start(self) -> None:
        """Begin to attach what waits, and what `mapped` and `executed` tell of."""
        self._bench.put(self._complete)
        self._thread.start()

    @property
    def urgent_threads(self) -> tuple[int, ...]:
        """What the kernel calls the threads, once started: a new program may run before they have their turn."""
        return self._thread.native_id or 0, *self._probed.thread_ids

    def mapped(self, pid: int, inode: int, superblock: int, generation: int) -> None:
        """Tell that `pid` mapped a library never seen before; returns at once."""
        self._bench.put(lambda: self._attach_mapped(pid, inode, superblock, generation))

    def rooted(self, pid: int) -> None:
        """Tell that `pid` has another root directory, as the first process of a new container has; returns at once."""
        self._bench.put(lambda: self._attach_all(libraries_in_root(pid)))

    def executed(self, pid: int) -> None:
        """Tell that `pid` began to run a program, of which nothing is known; returns at once."""
        self.private.exited(pid)
        self._bench.put(lambda: self._attach_all(self._executables.of(pid)))

    def let_go(self) -> None:
        """Have the probes removed, in a while, of files that were removed; returns at once."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LET_GO_EVERY
            self._bench.put(self._let_go)

    def stop(self) -> None:
        """End the thread: it touches the engine no more."""
        self._stopping = True
        self._bench.stop()
        self._probed.stop()
        if self._written and self._thread.ident is None:  # else the thread does it
            self._written.close()
        # A compiler at work ends with this process, and nothing is done with what it gives.
        if self._thread.is_alive() and not self._compiles:
            self._thread.join(timeout=1)

    def _complete(self) -> Steps:
        yield  # it is not urgent
        try:
            self._take_rest()
        except (CompileError, OSError) as error:
            _log.warning("only OpenSSL can be probed: %s", error)
        waiting, self._waiting = self._waiting, []
        if all(map(_is_there, waiting)):
            yield from self._attach_all(waiting)
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
        try:
            self._bench.run(self._attach_installed(), lambda: self._written.resting or None if self._written else None)
        except Exception as error:  # noqa: BLE001 - the thread's end: nothing else would tell of it
            _log.debug("no more probes are set", exc_info=True)
            _log.warning("no more probes are set: %s (--log-level debug says where)", error or type(error).__name__)
        finally:  # what nobody takes from it would hold file systems that somebody unmounts
            if self._written:
                self._written.close()

    def _take_news(self, pages: mmap.mmap, at: int) -> None:
        inode, superblock, generation, pid, kind = records.NEWS.unpack_from(pages, at)
        if kind == records.EXEC:
            self._bench.begin(self._attach_all(self._executables.of(pid)))
        elif kind == records.LIBRARY:
            self._bench.begin(self._attach_mapped(pid, inode, superblock, generation))
        elif kind == records.ROOT:
            self._bench.begin(self._attach_all(libraries_in_root(pid)))

    def _take_written(self) -> None:
        assert self._written
        self._written.resume()
        for number, (file, library) in enumerate(self._written.take()):
            if self._bench.unfinished >= _MOST_UNDER_WAY:
                os.close(file)
                continue
            begin = self._bench.begin if number < _URGENT_AT_ONCE else self._bench.later
            begin(self._attach_written(file, library))

    def _attach_written(self, file: int, library: Library) -> Steps:
        try:
            yield from self._attach_all([library], expected=True)
        finally:
            os.close(file)

    def _attach_installed(self) -> Steps:
        for found in self._executables.installed():
            for library in found:
                self._attach_go(library)
            yield
        self._examiner.keep()

    def _attach_go(self, library: Library) -> None:
        """Set the probes of Go's crypto/tls alone; the rest of the program is looked into once it is executed."""
        if library.identity in self.findings:
            return
        try:
            with Elf(library.path) as elf:
                for part in self._examiner.look(elf, library, only_go=True):
                    for name, points in part.points.items():
                        self._probed.put(elf, library, name, points)
        except (ElfError, OSError, VerifierError) as error:
            _log.debug("no probes in %s before it is executed: %s", library.name, error)

    def _let_go(self) -> Steps:
        """Some of them are still running, as a server does after its upgrade."""
        removed = self._probed.removed()
        for used in inodes_in_use() if removed else ():
            removed -= used
            yield
        if removed:
            for library in self._probed.let_go(removed):
                self._forget(library)

    def _forget(self, library: Library) -> None:
        self.findings.pop(library.identity, None)

    def _attach_mapped(self, pid: int, inode: int, superblock: int, generation: int) -> Steps:
        found = list(libraries_of(pid, inode=inode))
        yield from self._attach_all(found)
        # The process may be gone, and its view of the file with it.
        known = any(library.inode == inode and library.identity in self.findings for library in found)
        if not known and not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110  once a library
            self._engine.forget_library(inode, superblock, generation)

    def _attach_all(self, found: Iterable[Library], *, expected: bool = False) -> Steps:
        """Set the probes of all these files; `expected`: they may be executed soon, under another name."""
        for library in found:
            if self._stopping:
                return
            identity = library.identity
            if identity in self._under_way:
                self._under_way[identity] = True
            if identity in self.findings or identity in self._under_way:
                continue
            self._under_way[identity] = False
            try:
                is_busy = yield from self._attach(library, expected=expected)
                if is_busy and self._under_way[identity]:  # who wrote to it has closed it meanwhile
                    yield from self._attach(library, expected=expected)
            finally:
                del self._under_way[identity]
        self._examiner.keep()

    def _attach(self, library: Library, *, expected: bool) -> Generator[None, None, bool]:
        """Set the probes of one file; the reason is logged when that cannot be done, unless the file is out of reach by now.

        While programs are compiled, what needs them is left to `_complete`. Returns whether somebody is writing to the file.
        """
        parts: list[Finding] = []
        try:
            with Elf(library.path) as elf:
                self._probed.drop_stale(elf.descriptor)
                for part in self._examiner.look(elf, library):
                    if self._waits(part):
                        self._waiting.append(library)
                        return False
                    for name, points in part.points.items():
                        self._probed.put(elf, library, name, points)
                    parts.append(part)
                    if part.points or len(parts) > 1:  # that there is no Go is seen at once
                        yield
            finding = joined(parts)
        except BusyError:
            return True
        except (ElfError, OSError, VerifierError) as error:
            if not os.path.exists(library.path):  # noqa: PTH110  a process that is gone took its view of the file with it
                return False
            finding = Finding(problem=library.problem or str(error))
        if expected and not finding.points:
            return False  # its name may tell more
        self._remember(library, finding)
        if finding.points and not self.complete:
            self.attached.append(library.name)
        return False

    def _waits(self, part: Finding) -> bool:
        programs = [point.enter or point.leave for points in part.points.values() for point in points]
        return self._compiles and self._engine.lacks(programs)

    def _remember(self, library: Library, finding: Finding) -> None:
        self.findings[library.identity] = finding
        if len(self.findings) > _REMEMBERED:
            self.findings.popitem(last=False)
        if finding.problem:
            _log.warning("no probes in %s: %s", library.name, finding.problem)


def _is_there(library: Library) -> bool:
    """Whether the path of a library still leads to it."""
    try:
        return os.stat(library.path).st_ino == library.inode  # noqa: PTH116  once a process
    except OSError:
        return False

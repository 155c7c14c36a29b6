"""The programs in the kernel: loaded, attached, configured, counted, and gone when this process is.

Nothing is pinned and every attachment is a descriptor, so the kernel removes all of it when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from qtap.capture import bpf, records
from qtap.capture.bytecode import put_constant, renumber_maps
from qtap.capture.checks import Host, raise_memlock, raise_open_files
from qtap.capture.compiler import LEVEL, NEWS, PROGRAMS, RING, Bytecode
from qtap.capture.ring import Ring
from qtap.capture.verdict import STANDING, Scope, Verdict, is_captured

_PROCESS_TRACEPOINTS = {
    "on_exec": "sched_process_exec",
    "on_exit": "sched_process_exit",
    "on_fork": "sched_process_fork",
}
_SOCKET_TRACEPOINTS = {"on_sys_exit": "sys_exit", "on_tcp_state": "inet_sock_set_state"}
_OPTIONAL_TRACEPOINTS = {"on_uring": "io_uring_complete"}
"""Those of what a kernel may be built without."""
_TAILS = {
    "socket_tails": (
        "walk_socket",
        "head_socket",
        "gather_socket",
        "on_ciphertext",
        "on_jsse",
        "on_sendfile",
        "on_names",
        "head_jsse",
    ),
    "handle_tails": ("walk_handle", "head_handle"),
}
_COMMON = ("ssl_", "walk_", "head_")
"""What nearly every host's probes need is loaded at once, on two threads; the rest when a library is found that needs it."""
_SOON = ("go_",)
"""What a program needs that is executed later and makes its first request at once: loaded as soon as capture runs."""
_HEAD_PROGRAMS, _JAVA_PROGRAMS = ("head_socket", "head_handle", "head_jsse"), ("on_jsse", "head_jsse")
_BOUNDED = ("sockets", "handles")
"""The maps that drop what was not used for longest, and the counters of what is in them."""
_CONFIG = struct.Struct("<5I")
"""struct config of bpf/state.h."""
_NEWS_SIZE = 1 << 16
_CLOSERS = 16
"""Threads that remove probes, each of which waits."""
_LATE_KEY, _MOST_LATE = 16, 8192
"""Size of struct late_key, and entries of `late_records`, of bpf/state.h."""
_CHOOSES_SELECTED, _CHOOSES_PROGRAMS = 1, 2
"""CHOOSES_* of bpf/state.h."""
_MULTI_FOR_ALL_THREADS = (6, 11)
"""The Linux version from which a uprobe_multi link for one process means all of its threads."""
_UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")


class Engine:
    """Loaded programs and their maps; `ring` carries what they see.

    `code` may lack the programs for rare libraries, but for Java's with `java`: `add` takes them later.
    """

    def __init__(self, code: Bytecode, *, ring_size: int, scope: Scope, java: bool = False) -> None:
        if Host().version < (5, 11):  # maps count as locked memory there
            raise_memlock()
        raise_open_files()
        self.ring = Ring(ring_size)
        self.news = Ring(_NEWS_SIZE)
        """What the ring tells as well, for whoever sets probes; see `records.NEWS`."""
        self.level = scope.level
        self._maps: dict[str, int] = {}
        self._code: dict[str, bytes] = {}
        self.add(code)
        self._links: set[int] = set()
        left_out = (*_HEAD_PROGRAMS * (scope.level == "full"), *_JAVA_PROGRAMS * (not java))
        self._programs = self._load(left_out)
        self._cpus = _possible_cpus()
        self._room = {shape.name: shape.entries for shape in code.maps if shape.name in _BOUNDED}
        self._forgotten = dict.fromkeys(_BOUNDED, 0)
        self._full = 0
        self._scope = scope
        chooses = scope.selected * _CHOOSES_SELECTED | scope.filtered * _CHOOSES_PROGRAMS
        self._config = [os.getpid(), chooses, java, scope.ignore_loopback, False]
        self._configure()
        self.multi = _has_uprobe_multi(self._programs["ssl_free"])
        """Whether probes are set as one link for many offsets (Linux 6.6), which detaches at once."""

    def lacks(self, programs: Iterable[str]) -> bool:
        """Whether one of these programs was not given yet."""
        return not self._code.keys() >= set(programs)

    def add(self, code: Bytecode) -> None:
        """Take more programs, which are loaded when a file needs them; raises OSError."""
        for shape in code.maps:
            if shape.name not in self._maps:
                self._maps[shape.name] = bpf.create_map(*shape[1:5], flags=shape.flags, name=shape.name)
        numbers = {number: self._maps[shape.name] for number, shape in enumerate(code.maps)} | {
            RING: self.ring.fd,
            NEWS: self.news.fd,
        }
        self._code |= {name: renumber_maps(instructions, numbers) for name, instructions in code.programs.items()}

    def _load(self, left_out: Collection[str]) -> dict[str, int]:
        # The verifier takes most of the time of a start; it runs outside the interpreter's lock.
        common = [name for name in self._code if PROGRAMS[name] == "raw" or name.startswith(_COMMON)]
        names = [name for name in common if name not in left_out]
        with ThreadPoolExecutor(2) as pool:
            loaded = dict(zip(names, pool.map(self._load_one, names), strict=True))
        for table, tails in _TAILS.items():
            for index, name in enumerate(tails):
                if name in loaded:
                    bpf.update(self._maps[table], struct.pack("<I", index), struct.pack("<I", loaded[name]))
        return loaded

    def _load_one(self, name: str) -> int:
        relocated = put_constant(self._code[name], LEVEL, records.LEVELS[self.level])
        if PROGRAMS[name] == "raw":
            return bpf.load_program(bpf.PROG_TYPE_RAW_TRACEPOINT, relocated, name)
        expected = bpf.TRACE_UPROBE_MULTI if Host().version >= (6, 6) else 0
        return bpf.load_program(bpf.PROG_TYPE_KPROBE, relocated, name, expected)

    def watch_processes(self) -> None:
        """Begin to see processes come and go; the allow list follows them from here on."""
        self._attach(_PROCESS_TRACEPOINTS)

    def watch_sockets(self) -> None:
        """Begin to see plain traffic."""
        self._attach(_SOCKET_TRACEPOINTS)
        with contextlib.suppress(FileNotFoundError):
            self._attach(_OPTIONAL_TRACEPOINTS)

    def _attach(self, tracepoints: dict[str, str]) -> None:
        for program, name in tracepoints.items():
            self._links.add(bpf.attach_raw_tracepoint(self._programs[program], name))

    def probe(self, path: str, program: str, offsets: Sequence[int], *, at_return: bool, pid: int = 0) -> list[int]:
        """Run `program` at file offsets of the file at `path`, in every process or in `pid` alone; raises OSError.

        Gives what `remove` takes; where one offset is refused, none is left.
        """
        if program not in self._code:
            raise OSError(errno.ENOENT, "the programs for it could not be compiled")
        fd = self._programs.get(program) or self._load_late(program)
        links: list[int] = []
        if self.multi and (not pid or Host().version >= _MULTI_FOR_ALL_THREADS):
            links.append(bpf.attach_uprobes(fd, path, offsets, at_return=at_return, pid=pid))
        else:
            event_type = int(_UPROBE_PMU.read_text())
            with contextlib.ExitStack() as undo:
                undo.callback(self.remove, links)
                for offset in offsets:
                    links.append(bpf.attach_uprobe(fd, path, offset, at_return=at_return, event_type=event_type, pid=pid))
                    self._links.add(links[-1])
                undo.pop_all()
        self._links.update(links)
        return links

    def remove(self, links: Iterable[int]) -> None:
        """Remove probes: none is hit any more some ms later. The kernel takes 50 to 100 ms for each link, of all at once."""
        ours = self._links.intersection(links)
        self._links -= ours
        if ours:
            with ThreadPoolExecutor(min(len(ours), _CLOSERS)) as pool:
                list(pool.map(os.close, ours))

    def has_sought(self, pid: int) -> bool:
        """Whether a TLS handle of this process passed ciphertext without a socket since this was asked last."""
        key = struct.pack("<I", pid)
        found = bpf.lookup(self._maps["seekers"], key, 1) is not None
        bpf.delete(self._maps["seekers"], key)
        return found

    def load_soon(self) -> None:
        """Load what no file known so far needed, but the next program may, before that is executed."""
        for program in self._code:
            if program.startswith(_SOON) and program not in self._programs:
                self._load_late(program)

    def _load_late(self, program: str) -> int:
        fd = self._programs[program] = self._load_one(program)
        return fd

    def decide_running(self, pid: int, verdict: Verdict, *, again: bool = False) -> None:
        """Say what to capture of a process that runs, and of its future children.

        What the kernel knows already stays, unless `again`: the process was forked, or executed another program, meanwhile.
        """
        key, standing = struct.pack("<I", pid), verdict.standing()
        try:
            bpf.update(self._maps["policy"], key, standing, only_new=not again)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            self._full += 1

    def is_allowed(self, pid: int) -> bool:
        """Whether this process is captured, or may yet turn out to be."""
        standing = bpf.lookup(self._maps["policy"], struct.pack("<I", pid), STANDING.size)
        return not self._scope.selected if standing is None else is_captured(standing)

    def listen_to_jvm(self, pid: int, since: int) -> None:
        """Believe `pid` what it tells of its TLS; it misses nothing of connections that began after `since` (monotonic, ns)."""
        bpf.update(self._maps["jvms"], struct.pack("<I", pid), struct.pack("<Q", since))

    def ignore_jvm(self, pid: int) -> None:
        """Believe it no longer."""
        bpf.delete(self._maps["jvms"], struct.pack("<I", pid))

    def decide(self, executed_at: int, verdict: Verdict) -> None:
        """Say what to capture of the process of the exec at `executed_at` (CLOCK_MONOTONIC), and of what it forked since."""
        bpf.update(self._maps["verdicts"], struct.pack("<Q", executed_at), bytes(verdict))

    def mute(self, sk: int, pid: int, handle: int, at: int) -> None:
        """Copy nothing more of a socket, or of a TLS handle (not 0), of which a record told at `at` (as recorded).

        What has the same address by now, and began later, is another connection.
        """
        key = struct.pack("<QQ", handle, pid) if handle else struct.pack("<QQ", sk, 0)
        bpf.update(self._maps["mutes"], key, struct.pack("<Q", at))
        if not self._config[-1]:  # nobody looks there before
            self._config[-1] = True
            self._configure()

    def _configure(self) -> None:
        bpf.update(self._maps["config"], bytes(4), _CONFIG.pack(*self._config))

    def forget_library(self, inode: int, superblock: int, generation: int) -> None:
        """Tell of this library again when it is mapped next."""
        bpf.delete(self._maps["seen_libraries"], struct.pack("<QQQ", inode, superblock, generation))

    def counters(self, unfreed: int = 0) -> dict[str, int]:
        """Give the kernel's counters since the start, by name.

        `forgotten` counts the connections and TLS handles that the kernel dropped since their tables were full. It is what was
        made there and not deleted, less what fits, less the TLS handles that are over though nobody deleted them (`unfreed`).
        Each processor keeps up to 128 free places to itself, so that many may be missing from the count.
        """
        found: dict[str, int] = {}
        for index, name in enumerate(records.COUNTERS):
            values = bpf.lookup(self._maps["counters"], struct.pack("<I", index), 8 * self._cpus)
            found[name] = sum(struct.unpack(f"<{self._cpus}q", values)) if values else 0
        for name, room in self._room.items():
            self._forgotten[name] = max(self._forgotten[name], found.pop(name) - room - unfreed * (name == "handles"))
        found["skipped"] = sum(map(bpf.skipped, list(self._programs.values())))
        return found | {"forgotten": sum(self._forgotten.values()), "no_slot": found["no_slot"] + self._full}

    def late(self) -> list[bytes]:
        """Take the records that found no room in the ring and are kept all the same, the oldest first.

        What is in the ring now is older than the end of its connection that is given here.
        """
        found = bpf.take_all(self._maps["late_records"], _LATE_KEY, records.LATE_SIZE, _MOST_LATE)
        return sorted(found, key=lambda record: records.HEADER.unpack_from(record)[0])

    def close(self) -> None:
        """Detach everything. The kernel waits 50 to 100 ms for each link: a child is the last that has them, and waits."""
        links = [*self._links]
        hears, tells = os.pipe()
        if links and os.fork() == 0:
            for fd in (0, 1, 2, tells):
                with suppress(OSError):
                    os.close(fd)
            os.read(hears, 1)  # until this process has closed its own, however it ends
            os._exit(0)
        for fd in (*links, *self._programs.values(), *self._maps.values(), hears, tells):
            os.close(fd)
        self._programs.clear()
        self._maps.clear()
        self._links.clear()


def _possible_cpus() -> int:
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().replace(",", "-").split("-")[-1]
    return int(last) + 1


def _has_uprobe_multi(program: int) -> bool:
    """Ask for a link without offsets: a kernel that knows the attach type says EINVAL only after it looked at the path."""
    if Host().version < (6, 6):
        return False
    try:
        bpf.attach_uprobes(program, "/nonexistent", [0], at_return=False)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True

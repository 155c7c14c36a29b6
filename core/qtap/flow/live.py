"""The Source of live traffic: kernel programs, probes, ring, connection table, on a thread of its own."""

from __future__ import annotations

import logging
import mmap
import threading
import time
from collections.abc import Callable

import msgspec

from qtap.capture import bpf, records
from qtap.capture.checks import can_capture
from qtap.capture.compiler import CompileError, compiled
from qtap.capture.engine import Engine
from qtap.capture.java.agents import Agents
from qtap.capture.java.jar import JarError
from qtap.capture.priority import Budget, yield_to_traffic
from qtap.capture.probes import Prober
from qtap.capture.processes import ProcessTable
from qtap.capture.tls import NAMES
from qtap.flow.selection import Selection
from qtap.flow.table import ConnectionTable, is_for_table
from qtap.model import Loss, Process, Sink

_log = logging.getLogger("qtap")
_POLL = 0.01
"""Seconds between looks at the ring when nothing urgent wakes the reader: its latency, against wake-ups of 20 us each."""

_TURN = 2048
"""Records taken between two looks at what else there is to do: 10 ms of work."""


class LiveOptions(msgspec.Struct, frozen=True):
    """Bounds and choices of one capture."""

    level: str = "full"
    """`summary`, `headers` or `full`; below full no body leaves the kernel."""
    ring_size: int = 16 << 20
    body_limit: int = 2 << 20
    memory: int = 256 << 20
    """Bytes; bodies that are still arriving may take half of it."""
    selection: Selection = Selection()
    tls_probes: tuple[str, ...] | None = None
    """Names of the TLS libraries to set probes in; None for all."""
    java: bool = False
    """Load an agent into each JVM."""


class LiveSource:
    """Implements `qtap.model.Source`.

    `on_ready` is called with the number of probes and the libraries that have them, or `on_failed` with one sentence; once, on
    the reader's thread. Before the former, `on_unmatched` is called with the options that fit no process so far, if there are.
    """

    def __init__(
        self,
        options: LiveOptions,
        on_ready: Callable[[int, list[str]], None],
        on_failed: Callable[[str], None],
        on_unmatched: Callable[[list[str]], None] = lambda _options: None,
    ) -> None:
        self.processes = ProcessTable(self._container_named)
        self._options = options
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_unmatched = on_unmatched
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="qtap-ring", daemon=True)
        self._wanted: set[int] = set()
        self._denied: set[int] = set()
        self._agents: Agents | None = None

    def start(self, sink: Sink) -> None:
        """Begin; `sink` is called on the reader's thread."""
        self._sink = sink
        options = self._options
        body_limit = options.body_limit if options.level == "full" else 0
        self._table = ConnectionTable(sink, self.processes.get, body_limit=body_limit, live_limit=options.memory // 2)
        self._thread.start()

    def stop(self) -> None:
        """End capture, deliver what is unfinished, detach; returns within a second."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._load()
        except (CompileError, JarError, bpf.VerifierError, OSError) as error:
            self._on_failed(_explain(error))
            return
        try:
            self._attach()
            budget = Budget()
            while not self._stopping.is_set():
                more = self._round()
                if rest := budget.overdrawn():
                    time.sleep(rest)
                elif not more:
                    self._engine.ring.wait(_POLL)
            self._engine.ring.drain(self._take)
            self._table.stop()
            self._count_losses()
        except Exception as error:  # noqa: BLE001 - the thread's end: nothing else would tell of it
            _log.debug("capture stopped", exc_info=True)
            self._on_failed(f"capture stopped: {error or type(error).__name__} (--log-level debug says where)")
        finally:
            if self._agents:
                self._agents.stop()
            self._prober.stop()
            self._engine.close()

    def _load(self) -> None:
        options = self._options
        self._engine = Engine(
            compiled(),
            ring_size=options.ring_size,
            level=options.level,
            allow_only=bool(options.selection),
            java=options.java,
        )
        self._table.mute = self._engine.mute
        self._prober = Prober(self._engine, options.tls_probes or NAMES)
        self._table.delivery.seek = self._prober.seek
        if options.java:
            self._agents = Agents(self._engine, self._is_wanted)
        if options.selection.containers:
            self.processes.containers.load()
        if options.selection:
            self._table.watched = lambda pid: pid not in self._denied

    def _attach(self) -> None:
        self._counted = dict.fromkeys([*records.COUNTERS, "evicted"], 0)
        self._counted_at = time.time_ns()
        self._next_count = time.monotonic() + 1
        self._engine.watch_processes()
        self._allow_running()
        self._engine.watch_sockets()
        libraries = self._prober.attach_known()
        self._prober.start()
        if self._agents:
            self._agents.attach_known()
            libraries.append(f"JSSE of {self._agents.count} JVMs")
        yield_to_traffic(self._prober.thread_id)
        self._on_ready(self._prober.count, libraries)

    def _round(self) -> bool:
        """Take what waits, but not more than a turn's worth; give whether there was more."""
        taken = self._engine.ring.drain(self._take, _TURN)
        self._table.tick()
        if time.monotonic() >= self._next_count:
            self._next_count = time.monotonic() + 1
            self._count_losses()
        return taken == _TURN

    def _take(self, pages: mmap.mmap, at: int) -> None:
        if is_for_table(pages, at):
            self._table.take(pages, at)
            return
        fields = records.HEADER.unpack_from(pages, at)
        ts, pid, kind = fields[0] + self._table.offset, fields[5], fields[14]
        if kind == records.EXEC:
            start = at + records.SIZE
            self._executed(records.Exec(pid, ts, pages[start : start + fields[9]]))
        elif kind == records.FORK:
            self._remember(pid, allowed=fields[3] not in self._denied)
        elif kind == records.EXIT:
            self._wanted.discard(pid)
            self._denied.discard(pid)
            self._table.exited(pid, ts)
            self.processes.exit(pid, ts)
            self._prober.exited(pid)
            if self._agents:
                self._agents.ended(pid, fields[0])
        elif kind == records.LIBRARY:
            self._prober.mapped(pid, fields[3], fields[2])
        elif kind == records.JVM and self._agents:
            self._agents.started(pid)

    def _executed(self, event: records.Exec) -> None:
        self._prober.executed(event.pid)
        if self._agents:
            self._agents.ended(event.pid, event.at - self._table.offset)
        process = self.processes.exec(event.pid, event.ppid, event.uid, event.exe, event.comm, event.args, event.at)
        selection = self._options.selection
        if selection and not event.allowed:
            allowed = event.pid in self._wanted or selection.matches(process)
            self._remember(event.pid, allowed=allowed)
            self._engine.decide(event.at - self._table.offset, allowed=allowed)
            if not allowed:
                return
        self._table.started(process)

    def _allow_running(self) -> None:
        """Allow the selected among the processes that ran before; again, until none was forked meanwhile."""
        allowed: set[int] = set()
        selection = self._options.selection
        while selection and (new := {*selection.running(self.processes)} - allowed):
            allowed |= new
            for pid in new:
                self._engine.allow(pid)
        if unmatched := selection.unmatched([self.processes.get(pid) for pid in allowed]):
            self._on_unmatched(unmatched)

    def _is_wanted(self, pid: int) -> bool:
        return not self._options.selection or (pid not in self._denied and self._engine.is_allowed(pid))

    def _remember(self, pid: int, *, allowed: bool) -> None:
        """Keep what was decided for the records that the kernel sends, and sent, before it hears of it."""
        (self._wanted if allowed else self._denied).add(pid)
        (self._denied if allowed else self._wanted).discard(pid)

    def _container_named(self, process: Process) -> None:
        """A container's name arrived after its process: what was refused by its id may be wanted by its name."""
        if process.pid in self._denied and self._options.selection.matches(process):
            self._remember(process.pid, allowed=True)
            self._engine.allow(process.pid)

    def _count_losses(self) -> None:
        counted, now = {**self._engine.counters(), "evicted": self._table.evicted}, time.time_ns()
        lost = {
            "ring": counted["ring_full"] - self._counted["ring_full"],
            "reader": sum(counted[name] - self._counted[name] for name in ("no_slot", "unreadable", "evicted")),
        }
        for where, count in lost.items():
            if count:
                self._sink.lost(Loss(where, count, self._counted_at, now))
        if untold := counted["untold"] - self._counted["untold"]:
            self._sink.lost(Loss("reader", untold, self._counted_at, now, "connections"))
        self._counted, self._counted_at = counted, now


def _explain(error: Exception) -> str:
    """Say in one sentence why this host cannot capture, with the remedy."""
    known = can_capture()
    if known or isinstance(error, CompileError | JarError):
        return known or str(error)
    if isinstance(error, bpf.VerifierError):
        return f"this kernel's verifier refuses a program ({error}): report this with the output of qtap-tui doctor"
    return f"the kernel cannot run the capture programs ({error}): qtap-tui doctor says what is missing"

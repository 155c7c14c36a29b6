"""The Source of live traffic: kernel programs, probes, ring, connection table, on a thread of its own."""

from __future__ import annotations

import logging
import mmap
import threading
import time
from collections.abc import Callable

from qtap.capture import bpf, records
from qtap.capture.checks import can_capture
from qtap.capture.compiler import Bytecode, CompileError, compiled, essential, rest
from qtap.capture.containers import Containers
from qtap.capture.engine import Engine
from qtap.capture.java.agents import Agents
from qtap.capture.java.jar import JarError
from qtap.capture.priority import Budget, yield_to_traffic
from qtap.capture.probes import Prober
from qtap.capture.processes import ProcessTable
from qtap.capture.tls import NAMES
from qtap.flow.delivery import Delivery
from qtap.flow.options import LiveOptions
from qtap.flow.policy import Policy
from qtap.flow.table import ConnectionTable, is_for_table
from qtap.flow.trace import Trace
from qtap.model import Loss, Process, Sink

_log = logging.getLogger("qtap")
_POLL = 0.04
"""Seconds between looks at the ring when nothing urgent wakes the reader: its latency, against a look that finds every cache
cold (at 1 000 requests a second, looks four times as often cost 40 us a request more)."""
_FASTEST = 400_000_000
"""Bytes a second that two processors bring, so that a small ring is looked at in time."""
_LONGEST_END = 5.0
"""Seconds that may pass until what waits in the ring is taken."""
_TURN = 2048
"""Records taken between two looks at what else there is to do: 10 ms of work."""


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
        self.processes = ProcessTable(self._container_named, containers=Containers(sockets=options.sockets))
        self._options = options
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_unmatched = on_unmatched
        self._stopping = threading.Event()
        self._compiled = False
        self._taken_until = 0
        """The time, since the epoch, up to which every record was taken."""
        self._takes = False  # whether records may wait in the ring
        self._thread = threading.Thread(target=self._run, name="qtap-ring", daemon=True)
        self._policy = Policy(options.selection, options.filters)
        self._agents: Agents | None = None
        self._late: list[bytes] = []
        """Records that found no room in the ring, and wait until what is before them there is taken."""
        self._late_behind = self._late_counted = 0
        self._trace = Trace(options.trace, self.processes, self._policy.wants) if options.trace.prints else None
        self._taking = self._trace.taking(self._take) if self._trace else self._take

    def start(self, sink: Sink) -> None:
        """Begin; `sink` is called on the reader's thread."""
        self._sink = sink
        options = self._options
        body_limit = options.body_limit if options.level == "full" else 0
        self._table = ConnectionTable(
            sink,
            self.processes.get,
            body_limit=body_limit,
            live_limit=options.memory // 2,
            reach=options.reach,
            deliver=self._trace.delivery if self._trace else Delivery,
        )
        self._thread.start()

    def stop(self) -> None:
        """End capture, deliver what is unfinished, detach; returns within _LONGEST_END, mostly a second."""
        self._stopping.set()
        # A compiler at work ends with this process.
        if self._thread.is_alive() and self._compiled:
            self._thread.join(_LONGEST_END)
            if self._takes:
                _log.warning("not all that was captured was read before the end: that would have taken too long")

    def _run(self) -> None:
        try:
            code = compiled() if self._options.java else essential()
            self._compiled = True
            if self._stopping.is_set():
                return
            self._load(code)
        except (CompileError, JarError, bpf.VerifierError, OSError) as error:
            self._on_failed(_explain(error))
            return
        try:
            self._attach()
            self._takes = True
            budget = Budget()
            poll = min(_POLL, self._engine.ring.size / _FASTEST)
            while not self._stopping.is_set():
                more = self._round()
                self._tell_ready()
                if rest := budget.overdrawn():
                    time.sleep(rest)
                elif not more:
                    self._engine.ring.wait(poll)
            self._late += self._engine.late()
            self._engine.ring.drain(self._taking)
            self._take_late()
            self._table.stop()
            self._count_losses()
        except Exception as error:  # noqa: BLE001 - the thread's end: nothing else would tell of it
            _log.debug("capture stopped", exc_info=True)
            self._on_failed(f"capture stopped: {error or type(error).__name__} (--log-level debug says where)")
        finally:
            self._takes = False
            if self._agents:
                self._agents.stop()
            self._prober.stop()
            self._engine.close()

    def _load(self, code: Bytecode) -> None:
        options = self._options
        self._engine = Engine(
            code,
            ring_size=options.ring_size,
            scope=self._policy.scope(options.level, ignore_loopback=options.reach.ignore_loopback),
            java=options.java,
        )
        self._table.mute = self._trace.muting(self._engine.mute) if self._trace else self._engine.mute
        self._prober = Prober(self._engine, options.tls_probes or NAMES, rest=None if options.java else rest)
        self._table.delivery.seek = self._prober.private.seek
        if options.java:
            self._agents = Agents(self._engine, self._takes_agent)
        if options.selection.containers:
            self.processes.containers.load()
        if self._policy:
            self._table.watched, self._table.reads = self._policy.wants, self._policy.reads

    def _attach(self) -> None:
        self._counted = dict.fromkeys([*self._engine.counters(), *self._table.counters()], 0)
        self._counted_at = time.time_ns()
        self._next_count = time.monotonic() + 1
        self._engine.watch_processes()
        if unmatched := self._policy.decide_running(self._engine, self.processes):
            self._on_unmatched(unmatched)
        self._engine.watch_sockets()
        self._prober.watch_files()
        self._prober.attach_known()
        self._prober.start()
        if self._agents:
            self._agents.attach_known()
        yield_to_traffic(*self._prober.urgent_threads)
        self._is_ready = False

    def _tell_ready(self) -> None:
        """Tell once that nothing known is missed; until then most is captured already."""
        if not self._is_ready and self._prober.complete:
            self._is_ready = True
            count = self._agents.count if self._agents else 0
            jvms = [f"JSSE of {count} JVM{'' if count == 1 else 's'}"] if self._agents else []
            self._on_ready(self._prober.count, self._prober.attached + jvms)

    def _round(self) -> bool:
        """Take what waits, but not more than a turn's worth; give whether there was more."""
        ring = self._engine.ring
        given, began = ring.given, time.time_ns()
        taken = ring.drain(self._taking, _TURN)
        if ring.taken >= given:
            self._taken_until = began
        elif oldest := ring.oldest():
            self._taken_until = records.TIME.unpack_from(*oldest)[0] + self._table.offset
        if self._late and self._engine.ring.taken >= self._late_behind:
            self._take_late()
        self._table.tick(self._taken_until)
        if time.monotonic() >= self._next_count:
            self._next_count = time.monotonic() + 1
            self._count_losses()
            self._prober.let_go()
            for pid in self._prober.private.drop_unneeded():
                self._table.delivery.unsought(pid)
        return taken == _TURN

    def _take_late(self) -> None:
        late, self._late = self._late, []
        for record in late:
            fields = records.HEADER.unpack_from(record)
            if fields[14] != records.EXIT or not self.processes.is_newer(fields[5], fields[0] + self._table.offset):
                self._taking(record, 0)

    def _take(self, pages: mmap.mmap | bytes, at: int) -> None:
        if is_for_table(pages, at):
            self._table.take(pages, at)
            return
        fields = records.HEADER.unpack_from(pages, at)
        ts, pid, kind = fields[0] + self._table.offset, fields[5], fields[14]
        if kind == records.EXEC:
            self._executed(pid, ts, pages[at + records.SIZE : at + records.SIZE + fields[9]], selected=bool(fields[3]))
        elif kind == records.FORK:
            self._policy.forked(fields[3], pid)
            self.processes.fork(fields[3], pid, ts)
        elif kind == records.EXIT:
            self._exited(pid, ts)
        elif kind == records.LIBRARY:
            self._prober.mapped(pid, fields[3], fields[2], fields[1])
        elif kind == records.NAMES:
            self._table.answered(pid, pages[at + records.SIZE : at + records.SIZE + fields[9]], ts)
        elif kind == records.ROOT:
            self._prober.rooted(pid)
        elif kind == records.JVM and self._agents:
            self._agents.started(pid)

    def _executed(self, pid: int, ts: int, data: bytes, *, selected: bool) -> None:
        """Take that a process runs another program since `ts`; without data it is told late, and `selected` with it."""
        at = ts - self._table.offset
        self._prober.executed(pid)
        self._table.executed(pid, at)
        if self._agents:
            self._agents.ended(pid, at)
        if data:
            event = records.Exec(pid, ts, data)
            selected = event.selected
            process = self.processes.exec(pid, event.ppid, event.uid, event.exe, event.comm, event.args, ts)
        elif (seen := self.processes.look_again(pid)) is not None:
            process = seen
        else:
            return
        if self._policy.executed(self._engine, process, at, selected=selected).allowed:
            self._table.started(process)

    def _exited(self, pid: int, ts: int) -> None:
        at = ts - self._table.offset
        self._policy.exited(pid)
        self._table.exited(pid, at)
        self.processes.exit(pid, ts)
        self._prober.private.exited(pid)
        if self._agents:
            self._agents.ended(pid, at)

    def _takes_agent(self, pid: int) -> bool:
        return self._policy.reads(pid, tls=True) and self._engine.is_allowed(pid)

    def _container_named(self, process: Process) -> None:
        self._policy.container_named(self._engine, process)

    def _count_losses(self) -> None:
        counted, now = {**self._engine.counters(self._table.unfreed), **self._table.counters()}, time.time_ns()
        lost = {
            "ring": counted["ring_full"] - self._counted["ring_full"],
            "reader": sum(
                counted[name] - self._counted[name]
                for name in ("no_slot", "unreadable", "untied", "evicted", "forgotten", "skipped")
            ),
        }
        for where, count in lost.items():
            if count:
                self._sink.lost(Loss(where, count, self._counted_at, now))
        if untold := counted["untold"] - self._counted["untold"]:
            self._sink.lost(Loss("reader", untold, self._counted_at, now, "connections"))
        if unheard := counted["processes"] - self._counted["processes"]:
            self._sink.lost(Loss("reader", unheard, self._counted_at, now, "processes"))
        if counted["late"] != self._late_counted and not self._late:  # the kernel keeps no more than fits, and counts the rest
            self._late_counted = counted["late"]
            self._late, self._late_behind = self._engine.late(), self._engine.ring.given
        self._counted, self._counted_at = counted, now


def _explain(error: Exception) -> str:
    """Say in one sentence why this host cannot capture, with the remedy."""
    known = can_capture()
    if known or isinstance(error, CompileError | JarError):
        return known or str(error)
    if isinstance(error, bpf.VerifierError):
        return f"this kernel's verifier refuses a program ({error}): report this with the output of qtap-tui doctor"
    return f"the kernel cannot run the capture programs ({error}): qtap-tui doctor says what is missing"

"""Wiring: one source, the log, the stores; with a screen or without. Heavy imports stay in the functions that need them."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from functools import partial
from pathlib import Path

import msgspec

from qtap.captures.format import Header
from qtap.captures.reader import CaptureReader
from qtap.captures.replay import ReplaySource
from qtap.captures.writer import Recorder
from qtap.config.tap import Tap
from qtap.exports.event import System
from qtap.exports.http_transaction import Level
from qtap.flow.log import TransactionLog
from qtap.flow.sinks import FanOut, LogSink
from qtap.flow.state import EngineState, Phase
from qtap.model import Sink, Source
from qtap.stores.lines import LineStore

OK, FAILED, CANNOT_CAPTURE = 0, 1, 3
"""Exit status, spec cli.md; 2 is click's for wrong usage."""
_DEMO = Path(__file__).with_name("_data") / "demo.jsonl.zst"
_TRY_DEMO = " (`qtap-tui --demo` shows sample traffic without capturing)"
_LOOK_AT_SIGNALS = 0.1
"""Seconds."""
_SWITCH_INTERVAL = 0.0005
"""Seconds; a tenth of Python's default keeps keys quick while the reader is busy."""

log = logging.getLogger("qtap")


class CannotCaptureError(Exception):
    """This host cannot capture; the text is one sentence with its remedy."""


class UsageError(Exception):
    """The options contradict each other or name something unusable; the text is one sentence."""


class Options(msgspec.Struct, frozen=True):
    """What the command line asks for."""

    replay: str = ""
    demo: bool = False
    record: str = ""
    force: bool = False
    level: Level = "full"
    tap: Tap = Tap()
    pids: frozenset[int] = frozenset()
    exes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    tls_probes: tuple[str, ...] | None = None
    """Names of the TLS libraries to set probes in; None for all."""
    java: bool = False
    docker_socket: str = ""
    containerd_socket: str = ""
    cri_socket: str = ""
    bpf_trace: str = ""
    """Toggles that `qtap.flow.toggles.parse` takes."""
    body_limit: int = 2 << 20
    memory: int = 256 << 20
    ring_size: int = 16 << 20
    theme: str | None = None


class Session:
    """One source running into its sinks; implements the screen's Feed."""

    def __init__(self, options: Options, *, lines: bool) -> None:
        self.log = TransactionLog(options.memory)
        self.ended = threading.Event()
        """Set when there is nothing more to wait for: the source ended, failed, or a store cannot go on."""
        self.status = OK
        self._options = options
        self._log_sink = LogSink(self.log)
        self._phase: Phase = "starting"
        self._message = "setting probes"
        self._problem = self._unmatched = ""
        self._pipe_gone = False
        self._reader = self._open_capture()
        self._header = self._reader.header if self._reader else Header.here()
        self._stores: list[LineStore | Recorder] = []
        if lines:
            self._stores.append(self._line_store())
        if options.record:
            self._stores.append(
                Recorder(
                    options.record,
                    header=self._header,
                    force=options.force,
                    wait=bool(self._reader),
                    on_closed=partial(self._store_closed, "recording"),
                )
            )
        # Without a screen nobody looks at the log: nothing is kept.
        sinks: list[Sink] = [*self._stores] if lines else [self._log_sink, *self._stores]
        self._sink = sinks[0] if len(sinks) == 1 else FanOut(sinks)
        self._source = self._make_source()

    def start(self) -> None:
        """Begin; returns at once."""
        self._source.start(self._sink)

    def stop(self) -> None:
        """End the source and flush the stores, within about a second."""
        self._source.stop()
        for store in self._stores:
            if (left := store.stop()) and not self._pipe_gone:
                log.warning("%d records were not written before the end", left)

    def state(self) -> EngineState:
        """Say for the status line what the engine does."""
        losses = dict(self._log_sink.losses)
        if self.log.evicted:
            losses["log"] = self.log.evicted
        if refused := sum(store.refused for store in self._stores):
            losses["store"] = refused
        return EngineState(
            phase=self._phase,
            message=self._message,
            problem=self._problem or ("" if self.log.end else self._unmatched),
            losses=losses,
            memory_used=self.log.used,
            memory_limit=self.log.limit,
            source=self._name,
        )

    @property
    def must_compile(self) -> bool:
        """Whether the start has to wait for a compiler."""
        if self._reader:
            return False
        from qtap.capture.compiler import is_kept

        return not is_kept()

    @property
    def title(self) -> str:
        """What is captured, for the notice at the start; empty when it is everything."""
        options = self._options
        chosen = [
            *([f"pid {', '.join(map(str, sorted(options.pids)))}"] if options.pids else []),
            *(f"exe {exe}" for exe in options.exes),
            *(f"container {name}" for name in options.containers),
        ]
        return f"HTTP(S) of {', '.join(chosen)}" if chosen else ""

    def clear(self) -> None:
        """Empty the log."""
        self._log_sink.clear()

    @property
    def _name(self) -> str:
        if self._options.demo:
            return "demo"
        return f"replay of {self._reader.name}" if self._reader else self._header.host

    def _open_capture(self) -> CaptureReader | None:
        path = str(_DEMO) if self._options.demo else self._options.replay
        return CaptureReader(path) if path else None

    def _line_store(self) -> LineStore:
        system = System(hostname=self._header.host, instance=self._header.instance)
        on_closed = partial(self._store_closed, "output")
        return LineStore(1, system=system, level=self._options.level, on_closed=on_closed, wait=bool(self._reader))

    def _make_source(self) -> Source:
        if self._reader:
            self._phase = "replay"
            self._message = "sample traffic of another host" if self._options.demo else f"replaying {self._reader.name}"
            return ReplaySource(self._reader, pace=self._options.demo, on_end=self._replay_ended)
        from qtap.capture.checks import can_capture
        from qtap.capture.containers import Sockets
        from qtap.config.filters import Filters
        from qtap.flow.live import LiveSource
        from qtap.flow.options import LiveOptions
        from qtap.flow.reach import Reach
        from qtap.flow.selection import Selection
        from qtap.flow.toggles import parse

        if problem := can_capture():
            raise CannotCaptureError(problem + _TRY_DEMO)
        for pid in self._options.pids:
            if not Path(f"/proc/{pid}").exists():
                raise UsageError(f"no process has the number {pid}")
        options = self._options
        trace = parse(options.bpf_trace)
        if options.bpf_trace and not trace.prints:
            log.warning("--bpf-trace prints nothing without both, a module and a program: mod:socket,exe.contains:curl")
        selection = Selection(options.pids, options.exes, options.containers)
        live = LiveOptions(
            level=options.level,
            ring_size=options.ring_size,
            body_limit=options.body_limit,
            memory=options.memory,
            selection=selection,
            tls_probes=options.tls_probes,
            java=options.java,
            sockets=Sockets.chosen(options.docker_socket, options.containerd_socket, options.cri_socket),
            trace=trace,
            filters=Filters(options.tap.rules, options.tap.groups),
            reach=Reach(options.tap.direction, options.tap.ignore_loopback),
        )
        return LiveSource(live, self._ready, self._failed, self._unmatched_yet)

    def _unmatched_yet(self, names: list[str]) -> None:
        self._unmatched = f"no process fits {', '.join(names)} yet; one that starts later is captured"
        log.warning("%s", self._unmatched)

    def _ready(self, probes: int, libraries: list[str]) -> None:
        where = ", ".join(libraries) or "no TLS library yet"
        self._phase = "live"
        recording = f"recording to {self._options.record}, " if self._options.record else ""
        self._message = f"{recording}{probes} probes in {where}"
        log.info("ready: %d probes in %s", probes, where)

    def _failed(self, sentence: str) -> None:
        began = self._phase == "live"
        self.status = FAILED if began else CANNOT_CAPTURE
        self._phase, self._message = "failed", sentence if began else sentence + _TRY_DEMO
        self.ended.set()

    def _replay_ended(self) -> None:
        assert self._reader is not None
        self._phase = "ended"
        self._message = f"end of {self._reader.name}"
        if self._reader.cut:
            self._message += ", which breaks off: its recording did not end well"
            log.warning("%s", self._message)
        for problem in self._reader.problems:
            log.warning("%s", problem)
        if self._reader.bad:
            log.warning("lines of %s that could not be read: %d", self._reader.name, self._reader.bad)
        for store in self._stores:
            store.drain()
        self.ended.set()

    def _store_closed(self, what: str, error: OSError) -> None:
        self._pipe_gone = isinstance(error, BrokenPipeError)
        if not self._pipe_gone:
            self._problem, self.status = f"{what} stopped: {error.strerror}", FAILED
            log.error("%s", self._problem)
        self.ended.set()

    @property
    def message(self) -> str:
        """What went wrong, else the sentence of the current phase."""
        return self._problem or self._message


def run_headless(options: Options) -> int:
    """Run without a screen until the source ends or a signal comes; give the exit status."""
    session = Session(options, lines=options.record != "-")
    # A handler runs between two steps of whatever the thread does: one that took the Event's lock could wait for itself.
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.append(number))
    session.start()
    while not signals and not session.ended.wait(_LOOK_AT_SIGNALS):
        pass
    session.stop()
    if session.status:
        sys.stderr.write(f"qtap-tui: {session.message}\n")
    return session.status


def run_screen(options: Options) -> int:
    """Run the screen; the engine starts beside it. Give the exit status."""
    if options.record == "-":
        raise UsageError("--record - needs --no-ui: the screen and the capture cannot share standard output")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the screen needs a terminal as standard input and output; without one use --no-ui")
    sys.setswitchinterval(_SWITCH_INTERVAL)
    session = Session(options, lines=False)
    # At a first start the compiler runs in another process: let it begin before this one takes 0.2 s to import the screen. At
    # any other start the picture comes first.
    if first := session.must_compile:
        session.start()
    # the one place where the engine's command reaches for the screen
    from qtap_tui.app import SettingsError, run

    if not first:
        session.start()
    try:
        status = run(session, capture_title=session.title, theme=options.theme)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    finally:
        session.stop()
    if session.status:
        sys.stderr.write(f"qtap-tui: {session.message}\n")
    elif options.record:
        sys.stderr.write(f"qtap-tui: recorded in {options.record}\n")
    return session.status or status

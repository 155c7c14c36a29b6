"""`--bpf-trace` (spec qtap.md 2.3): a line of the log for each record and decision that is asked for, without payload.

Where it is not asked for it costs nothing: the source has another way of taking records then, and of telling of them.
"""

from __future__ import annotations

import logging
import mmap
import time
from collections.abc import Callable

from qtap.capture import records
from qtap.capture.processes import ProcessTable
from qtap.flow.addresses import endpoints
from qtap.flow.delivery import Delivery
from qtap.flow.reach import Reach
from qtap.flow.reports import Reports
from qtap.flow.toggles import LAYERS, Toggles
from qtap.model import Connection, Sink, Transaction

_log = logging.getLogger("qtap.trace")
_log.setLevel(logging.INFO)  # whoever asks for a trace wants its lines, whatever else is logged

_PROCESS = {
    records.EXEC: "exec", records.FORK: "fork", records.EXIT: "exit", records.LIBRARY: "library", records.JVM: "jvm",
    records.ROOT: "root", records.NAMES: "names",
}  # fmt: skip
_SPOKEN = {records.DATA: "data", records.CLOSE: "close", records.HELLO: "hello", records.OTHER: "other"}
_FLAGS = {
    records.FROM_START: "from-start", records.UNSEEN: "unseen", records.SKIPPED: "skipped", records.FILE: "file",
    records.ENDS_CHUNKED: "ends-chunked", records.EOF: "eof", records.SERVER: "server", records.CLIENT: "client",
}  # fmt: skip

_USERS = 65_536


class Trace:
    """Writes the lines."""

    def __init__(self, toggles: Toggles, processes: ProcessTable, wants: Callable[[int], bool]) -> None:
        """`wants` tells whether a process is captured."""
        self._toggles = toggles
        self._processes = processes
        self._wants = wants
        self._users: dict[int, int] = {}
        """The process that last used each socket, whose end the kernel tells without one."""

    def taking(self, take: Callable[[mmap.mmap | bytes, int], None]) -> Callable[[mmap.mmap | bytes, int], None]:
        """Give what takes a record as `take` does, and traces it. The line of an exec names the program that begins."""

        def traced(pages: mmap.mmap | bytes, at: int) -> None:
            is_exec = pages[at + records.TYPE_AT] == records.EXEC
            if not is_exec:
                self.record(pages, at)
            take(pages, at)
            if is_exec:
                self.record(pages, at)

        return traced

    def record(self, pages: mmap.mmap | bytes, at: int) -> None:
        """Trace one record of the ring."""
        (
            ts, sk, handle, position, opened, tgid, seq, total, offset, length, local_port, remote_port,
            local, remote, kind, direction, layer, flags, family, _,
        ) = records.HEADER.unpack_from(pages, at)  # fmt: skip
        if kind in _PROCESS:
            details = {records.FORK: f" parent={position}", records.LIBRARY: f" inode={position}"}
            details[records.EXEC] = " captured" if self._wants(tgid) else " refused"
            self.say(("process",), tgid, _PROCESS[kind] + details.get(kind, ""), ts)
            return
        tgid = self._user(sk, tgid, ends=kind == records.CLOSE and not handle)
        ends = endpoints((family, local, local_port, remote, remote_port)) if family else ("unknown", "unknown")
        words = ",".join(word for bit, word in _FLAGS.items() if flags & bit) or "none"
        where = f"handle={handle:#x} " if handle else ""
        self.say(
            _modules(layer, self._exe(tgid)),
            tgid,
            f"{_SPOKEN.get(kind, kind)} {where}socket={sk:#x} opened={opened} {ends[0]} {ends[1]} "
            f"{'in' if direction == records.IN else 'out'} seq={seq} pos={position} total={total} offset={offset} "
            f"copied={length} flags={words}",
            ts,
        )

    def _user(self, sk: int, pid: int, *, ends: bool) -> int:
        if ends:
            return self._users.pop(sk, pid)
        self._users[sk] = pid
        if len(self._users) > _USERS:
            del self._users[next(iter(self._users))]
        return pid

    def say(self, modules: tuple[str, ...], pid: int, what: str, at: int = 0) -> None:
        """Write one line, if it is asked for; `at` is the kernel's time (CLOCK_MONOTONIC, ns), 0 for now."""
        exe = self._exe(pid)
        if module := self._toggles.module(modules, exe):
            seconds, nanoseconds = divmod(at or time.monotonic_ns(), 1_000_000_000)
            _log.info("%d.%09d %s pid=%d exe=%s %s", seconds, nanoseconds, module, pid, exe or "unknown", what)

    def muting(self, mute: Callable[[int, int, int, int], None]) -> Callable[[int, int, int, int], None]:
        """Give what mutes as `mute` does, and traces it."""

        def traced(sk: int, pid: int, handle: int, at: int) -> None:
            self.say(("protocol",), pid, f"muted handle={handle:#x} socket={sk:#x}", at)
            mute(sk, pid, handle, at)

        return traced

    def delivery(self, sink: Sink, reports: Reports, reach: Reach) -> Delivery:
        """Make what is told of connections and transactions, and traces it."""
        return _Delivery(sink, reports, reach, self)

    def _exe(self, pid: int) -> str:
        return self._processes.get(pid).exe if pid else ""


def _modules(layer: int, exe: str) -> tuple[str, ...]:
    name = LAYERS[layer] if layer < len(LAYERS) else f"layer {layer}"
    return (name, "nodetls") if name == "openssl" and exe.rpartition("/")[2].startswith("node") else (name,)


class _Delivery(Delivery):
    def __init__(self, sink: Sink, reports: Reports, reach: Reach, trace: Trace) -> None:
        super().__init__(sink, reports, reach)
        self._trace = trace

    def opened(self, transaction: Transaction) -> None:
        super().opened(transaction)
        self._say(transaction.connection, f"opened {transaction.id} {transaction.protocol} stream={transaction.stream}")

    def finished(self, transaction: Transaction) -> None:
        missing = ",".join(transaction.incomplete) or "none"
        self._say(transaction.connection, f"finished {transaction.id} status={transaction.status} incomplete={missing}")
        super().finished(transaction)

    def speaks(self, connection: Connection) -> bool:
        self._say(connection, "role " + ("server" if connection.server else "client"))
        is_wanted = super().speaks(connection)
        if not is_wanted:
            self._say(connection, "ignored")
        return is_wanted

    def lost(self, connection: Connection) -> None:
        self._say(connection, "gap: calls are missing")
        super().lost(connection)

    def _say(self, connection: Connection, what: str) -> None:
        where = f"connection={connection.id} {connection.local} {connection.remote}"
        self._trace.say(("protocol",), connection.process.pid, f"{what} {where}")

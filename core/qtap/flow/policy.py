"""What is captured of each process: of those that run when capture begins, and of each program that is executed later.

A process that was selected, and whatever it starts, is captured as far as no filter leaves its program out. The kernel asks
about a program when it is executed, takes that for captured until it has the answer, and lets children inherit it.
"""

from __future__ import annotations

from qtap.capture.engine import Engine
from qtap.capture.processes import ProcessTable
from qtap.capture.verdict import Scope, Verdict
from qtap.config.filters import SKIP, SKIP_ALL, Filters
from qtap.flow.selection import Selection
from qtap.model import Process

_CONTENT = SKIP["data"] | SKIP["http"]
_PLAINTEXT = _CONTENT | SKIP["tls"]


class Policy:
    """Decides, and remembers it for the records that the kernel sent before it had the answer.

    False when there is nothing to decide, since everything is captured.
    """

    def __init__(self, selection: Selection, filters: Filters) -> None:
        self._selection = selection
        self._filters = filters
        self._decided: dict[int, Verdict] = {}

    def __bool__(self) -> bool:
        return bool(self._selection or self._filters)

    def scope(self, level: str, *, ignore_loopback: bool) -> Scope:
        """Give what the kernel is told of all this at the start."""
        return Scope(level, bool(self._selection), bool(self._filters), ignore_loopback)

    def executed(self, engine: Engine, process: Process, at: int, *, selected: bool) -> Verdict:
        """Decide about a process that executed a program at `at` (CLOCK_MONOTONIC), and tell the kernel where it asks.

        `selected`: by what it inherited.
        """
        if not self or (selected and not self._filters):
            return Verdict()
        known = self._decided.get(process.pid)
        verdict = self._judge(process, selected=selected or (known is not None and known.selected))
        self._decided[process.pid] = verdict
        engine.decide(at, verdict)
        return verdict

    def forked(self, parent: int, child: int) -> None:
        """Take that a process made another, about which the same was decided."""
        known = self._decided.get(parent)
        if known is not None:
            self._decided[child] = known
        else:  # of an earlier process of that number, whose end was not told
            self._decided.pop(child, None)

    def exited(self, pid: int) -> None:
        """Forget a process."""
        self._decided.pop(pid, None)

    def decide_running(self, engine: Engine, processes: ProcessTable) -> list[str]:
        """Decide about the processes that ran before, again until none was forked meanwhile.

        Gives the options that fit none of them.
        """
        if not self:
            return []
        judged: set[int] = set()
        while new := {*self._selection.running(processes)} - judged:
            judged |= new
            for pid in new:
                verdict = self._judge(processes.get(pid), selected=True)
                if verdict != Verdict():
                    self._decided[pid] = verdict
                if verdict != Verdict() or self._selection:
                    engine.decide_running(pid, verdict)
        return self._selection.unmatched([processes.get(pid) for pid in judged])

    def container_named(self, engine: Engine, process: Process) -> None:
        """Take a container's name that arrived after its process: what was refused by its id may be wanted by its name."""
        known = self._decided.get(process.pid)
        if known is not None and not known.selected and self._selection.matches(process):
            verdict = self._decided[process.pid] = self._judge(process, selected=True)
            engine.decide_running(process.pid, verdict, again=True)

    def wants(self, pid: int) -> bool:
        """Whether anything is told of a process."""
        known = self._decided.get(pid)
        return known is None or known.allowed

    def reads(self, pid: int, *, tls: bool) -> bool:
        """Whether what a process says is read; `tls`: as a TLS library shows it."""
        known = self._decided.get(pid)
        return known is None or (known.allowed and not known.skip & (_PLAINTEXT if tls else _CONTENT))

    def _judge(self, process: Process, *, selected: bool) -> Verdict:
        if self._selection and not selected and not self._selection.matches(process):
            return Verdict(allowed=False, selected=False)
        skip = self._filters.skipped(process.exe)
        return Verdict(allowed=skip != SKIP_ALL, skip=skip)

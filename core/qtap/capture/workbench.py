"""One thread's work, in steps: what is new comes first, and waits for a step of what is under way at most."""

from __future__ import annotations

import contextlib
import os
import queue
import select
from collections import deque
from collections.abc import Callable, Iterator

Steps = Iterator[None]
Job = Callable[[], Steps | None]
"""Does its work at once, or gives it as steps."""


class Workbench:
    """Takes jobs from any thread; one calls `run`."""

    def __init__(self, hurry: Callable[[bool], None] = lambda _is_urgent: None) -> None:
        """`hurry` is called on the thread of `run` when what it does next becomes urgent, or is no longer."""
        self._hurry = hurry
        self._is_urgent: bool | None = None
        self._new: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN | select.EPOLLET)
        self._under_way: deque[Steps] = deque()
        self._watched: list[Callable[[], object]] = []
        self._stopping = self._idled = False

    @property
    def unfinished(self) -> int:
        """How many jobs have steps left to do."""
        return len(self._under_way)

    def put(self, job: Job) -> None:
        """Have `job` done; returns at once."""
        self._new.put(job)
        os.eventfd_write(self._bell, 1)

    def watch(self, file: int, look: Callable[[], object]) -> None:
        """Call `look` when there may be something to read from `file`; it begins what it finds. Before `run`, or within it."""
        self._poll.register(file, select.EPOLLIN | select.EPOLLET)
        self._watched.append(look)

    def begin(self, steps: Steps) -> None:
        """Do the first step, on the thread of `run`, and the others later."""
        self._set_urgent(is_urgent=True)
        if next(steps, self) is None:
            self._under_way.append(steps)

    def later(self, steps: Steps) -> None:
        """Do all steps when nothing is urgent; on the thread of `run`."""
        self._under_way.append(steps)

    def stop(self) -> None:
        """End `run` after the step that is under way."""
        self._stopping = True
        os.eventfd_write(self._bell, 1)

    def run(self, idle: Steps, pause: Callable[[], float | None] = lambda: None) -> None:
        """Work until `stop`; `idle` goes on when nothing else is to be done. `pause` gives the most seconds to sleep."""
        while not self._stopping:
            self._begin_new()
            if self._under_way:
                self._set_urgent(is_urgent=False)
                steps = self._under_way.popleft()
                if next(steps, self) is None:
                    self._under_way.appendleft(steps)  # what it holds in memory goes before the next one begins
            elif not self._goes_on(idle):
                self._set_urgent(is_urgent=True)
                self._poll.poll(pause())

    def _begin_new(self) -> None:
        for look in self._watched:
            look()
        with contextlib.suppress(queue.Empty):
            while not self._stopping:
                job = self._new.get_nowait()
                self._set_urgent(is_urgent=True)
                steps = job()
                if steps is not None:
                    self.begin(steps)

    def _goes_on(self, idle: Steps) -> bool:
        if self._idled:
            return False
        self._set_urgent(is_urgent=False)
        self._idled = next(idle, self) is self
        return not self._idled

    def _set_urgent(self, *, is_urgent: bool) -> None:
        if is_urgent is not self._is_urgent:
            self._is_urgent = is_urgent
            self._hurry(is_urgent)

"""The container of a process: its id from its control group at once, its name, image and labels when the engine has told them.

The control group path of a container holds its id of 64 hexadecimal digits: `/docker/<id>`, `docker-<id>.scope`,
`libpod-<id>.scope`, `cri-containerd-<id>.scope`, `/kubepods/burstable/pod<uid>/<id>`. Asking an engine takes 5 to 120 ms, so a
thread does it; its requests go over Unix sockets, which are not captured.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qtap.model import Container

SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
_ID = re.compile(rb"(conmon-)?(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")
_DIGITS = 12
_LIMIT = 4096
"""Containers remembered; the oldest is forgotten and asked for anew."""
_ASK_AGAIN = 30.0
"""Seconds until an engine that did not know a container is asked again."""


def container_id(cgroup: bytes) -> str:
    """Give the id in the text of /proc/PID/cgroup, versions 1 and 2 and both at once; empty outside containers.

    The last id of a line is the innermost container. Podman's monitor process names its container but runs outside it.
    """
    for line in cgroup.splitlines():
        found = _ID.findall(line)
        if found:
            monitor, digits = found[-1]
            return "" if monitor else digits.decode()
    return ""


class Containers:
    """Knows the container of any process; `of` never waits."""

    def __init__(
        self,
        named: Callable[[Container], None] | None = None,
        *,
        procfs: str = "/proc",
        sockets: Sequence[str] = SOCKETS,
    ) -> None:
        """Call `named`, on the asking thread, with each container whose name becomes known after `of` gave it without."""
        self.named = named
        self._procfs = procfs
        self._sockets = sockets
        self._known: dict[str, Container] = {}
        self._asked: dict[str, float] = {}
        self._lock = threading.Lock()
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def of(self, pid: int) -> Container | None:
        """Give the container in which `pid` runs, with its id only until its name is known; None outside containers."""
        try:
            with open(f"{self._procfs}/{pid}/cgroup", "rb", buffering=0) as file:  # noqa: PTH123  4 us against 11
                found = container_id(file.read())
        except OSError:
            return None
        if not found:
            return None
        container = self._known.get(found[:_DIGITS]) or self._remember(Container(id=found[:_DIGITS]))
        if not container.name and time.monotonic() >= self._asked.get(container.id, 0.0):
            self._ask_later(found)
        return container

    def latest(self, container: Container) -> Container:
        """Give what is known by now of a container that `of` gave."""
        return self._known.get(container.id, container)

    def load(self) -> None:
        """Learn all running containers now; waits for the engines, 2 s at most for one that hangs."""
        for path in self._listening():
            for container in self._list(path, "").values():
                self._remember(container)

    def _remember(self, container: Container) -> Container:
        with self._lock:
            self._known[container.id] = container
            while len(self._known) > _LIMIT:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._asked.pop(oldest, None)
        return container

    def _ask_later(self, found: str) -> None:
        self._asked[found[:_DIGITS]] = time.monotonic() + _ASK_AGAIN
        if not self._listening():
            return
        self._wanted.put(found)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="qtap-containers", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._ask(self._wanted.get())

    def _ask(self, found: str) -> None:
        for path in self._listening():
            container = self._list(path, found).get(found)
            if container:
                self._remember(container)
                if self.named:
                    self.named(container)
                return

    def _listening(self) -> list[str]:
        return [path for path in self._sockets if Path(path).exists()]

    def _list(self, path: str, only: str) -> dict[str, Container]:
        from qtap.capture.engines import EngineError, list_containers  # noqa: PLC0415  not needed on most hosts, 15 ms

        try:
            return list_containers(path, only)
        except EngineError:
            return {}

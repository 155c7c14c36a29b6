"""The container of a process: its id from its control group at once, its name, image and labels when somebody has told them.

Asking an engine takes 5 to 120 ms and may take for ever, so a thread does it; its requests go over Unix sockets, which are not
captured. An engine that does not answer in time is left alone for longer and longer; a container that nobody knows yet, for its
engine registers it late or is just starting, is asked for again after the same pauses. Where no engine knows it, files may.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from qtap.capture.bundles import STORAGES, TASKS, find
from qtap.capture.cgroups import Place, monitored_place, named_place, place_in
from qtap.capture.grpc_client import CallError
from qtap.capture.runtimes import list_containerd, list_cri, short_id
from qtap.model import Container, Pod

_LIMIT = 4096
"""Containers remembered; the oldest is forgotten and asked for anew."""
_PATIENCE = 2.0
"""Seconds until an answer must be complete."""
_PAUSES = (0.2, 1.0, 5.0, 30.0, 120.0)
"""Seconds between one question and the next."""

Ask = Callable[[str, str, float], dict[str, Container]]


class Sockets(msgspec.Struct, frozen=True):
    """Where container engines and runtimes may listen."""

    docker: tuple[str, ...] = ("/var/run/docker.sock", "/run/podman/podman.sock")
    containerd: tuple[str, ...] = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")
    cri: tuple[str, ...] = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/crio/crio.sock")
    users: str = "/run/user"
    """The folder of users' own sockets; these are asked for containers of that user only."""

    @classmethod
    def chosen(cls, docker: str = "", containerd: str = "", cri: str = "") -> Sockets:
        """Give the sockets at which a user said that engines listen, as paths or `unix://` URLs; the usual ones where empty."""
        usual = cls()
        paths = {
            name: (path.removeprefix("unix://"),) for name, path in (("docker", docker), ("containerd", containerd)) if path
        }
        paths["cri"] = (cri.removeprefix("unix://"),) if cri else (*paths.get("containerd", ()), *usual.cri)
        return msgspec.structs.replace(usual, **paths)

    def of_user(self, uid: int) -> tuple[str, ...]:
        """Give where the engines of one user may listen."""
        return (f"{self.users}/{uid}/docker.sock", f"{self.users}/{uid}/podman/podman.sock") if uid else ()


class _Question(msgspec.Struct):
    place: Place
    tries: int = 0
    due: float = 0.0


class Containers:
    """Knows the container of any process; `of` never waits."""

    def __init__(
        self,
        named: Callable[[Container], None] | None = None,
        *,
        procfs: str = "/proc",
        sockets: Sockets | None = None,
        tasks: tuple[str, ...] = TASKS,
        storages: tuple[str, ...] = STORAGES,
    ) -> None:
        """Call `named`, on the asking thread, with each container whose name becomes known after `of` gave it without."""
        self.named = named
        self._procfs = procfs
        self._sockets = sockets or Sockets()
        self._tasks = tasks
        self._storages = storages
        self._known: dict[str, Container] = {}
        self._asked: set[str] = set()
        """Full ids, of some in `_known`."""
        self._silent: dict[tuple[str, str], tuple[int, float]] = {}
        """The interfaces that did not answer: how often, and until when they are left alone."""
        self._lock = threading.Lock()
        self._wanted: queue.SimpleQueue[Place] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def of(self, pid: int) -> Container | None:
        """Give the container in which `pid` runs, with its id only until its name is known; None outside containers."""
        try:
            with open(f"{self._procfs}/{pid}/cgroup", "rb", buffering=0) as file:  # noqa: PTH123  4 us against 11
                cgroup = file.read()
        except OSError:
            return None
        place = place_in(cgroup) or self._named_place(cgroup) or monitored_place(pid, self._procfs)
        if place is None:
            return None
        container = self._known.get(short_id(place.id)) or self._remember(_blank(place))
        if not (container.name and container.image) and place.id not in self._asked:
            self._ask_later(self._with_monitor(pid, place))
        return container

    def latest(self, container: Container) -> Container:
        """Give what is known by now of a container that `of` gave."""
        return self._known.get(container.id, container)

    def load(self) -> None:
        """Learn all running containers now; waits for the engines, 2 s at most for one that hangs."""
        for ask, path in self._interfaces(0):
            for container in self._answer(ask, path, "").values():
                if container.id not in self._known or not self._known[container.id].name:
                    self._remember(container)

    def _named_place(self, cgroup: bytes) -> Place | None:
        return next((place for folder in self._tasks if (place := named_place(cgroup, folder))), None)

    def _with_monitor(self, pid: int, place: Place) -> Place:
        """Add what a monitor above `pid` was told of the same container."""
        told = None if place.name else monitored_place(pid, self._procfs)
        return place._replace(name=told.name, storage=told.storage) if told and told.id == place.id else place

    def _remember(self, container: Container) -> Container:
        with self._lock:
            self._known[container.id] = container
            while len(self._known) > _LIMIT:
                del self._known[next(iter(self._known))]
                self._asked.clear()
        return container

    def _ask_later(self, place: Place) -> None:
        self._asked.add(place.id)
        self._wanted.put(place)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="qtap-containers", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        questions: list[_Question] = []
        while True:
            next_due = min((question.due for question in questions), default=None)
            try:
                wait = None if next_due is None else max(next_due - time.monotonic(), 0)
                questions.append(_Question(self._wanted.get(timeout=wait)))
            except queue.Empty:
                pass
            now = time.monotonic()
            for question in [question for question in questions if question.due <= now]:
                if self._ask(question.place) or question.tries >= len(_PAUSES):
                    questions.remove(question)
                else:
                    question.due = time.monotonic() + _PAUSES[question.tries]
                    question.tries += 1

    def _ask(self, place: Place) -> bool:
        """Learn the name of one container; give whether somebody knew it."""
        found: Container | None = None
        for ask, path in self._interfaces(place.owner):
            found = self._answer(ask, path, place.id).get(place.id)
            if found and found.name:
                break
        else:
            found = find(place, self._tasks, self._storages) or found
        if found is None or not found.name:
            return False
        container = self._remember(_with_pod(found, place))
        if self.named:
            self.named(container)
        return True

    def _interfaces(self, owner: int) -> Iterator[tuple[Ask, str]]:
        """Give who may be asked, in the order of how much they know."""
        from qtap.capture.engines import list_containers  # noqa: PLC0415  15 ms that most hosts need not spend

        sockets = self._sockets
        for ask, paths in (
            (list_containers, (*sockets.docker, *sockets.of_user(owner))),
            (list_cri, sockets.cri),
            (list_containerd, sockets.containerd),
        ):
            for path in paths:
                if Path(path).exists():
                    yield ask, path

    def _answer(self, ask: Ask, path: str, only: str) -> dict[str, Container]:
        from qtap.capture.engines import EngineError  # noqa: PLC0415  likewise

        failures, until = self._silent.get((ask.__name__, path), (0, 0.0))
        if time.monotonic() < until:
            return {}
        try:
            answer = ask(path, only, time.monotonic() + _PATIENCE)
        except (EngineError, CallError):
            self._silent[ask.__name__, path] = failures + 1, time.monotonic() + _PAUSES[min(failures, len(_PAUSES) - 1)]
            return {}
        self._silent.pop((ask.__name__, path), None)
        return answer


def _blank(place: Place) -> Container:
    """Describe a container of which only the host has told."""
    return Container(short_id(place.id), place.name, pod=Pod(uid=place.pod) if place.pod else None)


def _with_pod(container: Container, place: Place) -> Container:
    if not place.pod or container.pod:
        return container
    return msgspec.structs.replace(container, pod=Pod(uid=place.pod))

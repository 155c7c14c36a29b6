"""The container of a process: its id from its control group at once, its name, image and labels when somebody has told them.

Asking an engine takes 5 to 120 ms and may take for ever, so a thread does it; its requests go over Unix sockets, which are not
captured. An engine that does not answer in time is left alone for longer and longer; a container that nobody knows yet, for its
engine registers it late or is just starting, is asked for again after the same pauses. Where no engine knows it, files may.

What a user's own engine, or a process that calls itself a monitor, says of an id holds for that user's containers alone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import msgspec

from qtap.capture.bundles import STORAGES, TASKS, find
from qtap.capture.cgroups import Place, monitored_place, named_place, place_in
from qtap.capture.grpc_client import CallError
from qtap.capture.inside import socket_inside
from qtap.capture.runtimes import list_containerd, list_cri, short_id
from qtap.model import Container, Pod

_LIMIT = 4096
"""Containers remembered; the oldest is forgotten and asked for anew."""
_QUESTIONS = 256
"""Containers that are being asked for; who comes when there are more waits for another process of the same container."""
_NAME_LIMIT, _LABELS_LIMIT = 512, 1 << 16
"""Characters of a name or an image, and of all labels, that are kept: some are whatever a user wants them to be."""
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

    @staticmethod
    def of_user(uid: int) -> tuple[str, ...]:
        """Give where the engines of one user may listen, in `users`."""
        return (f"{uid}/docker.sock", f"{uid}/podman/podman.sock") if uid else ()


class _Interface(NamedTuple):
    """Who may be asked: how, where, and whose it is."""

    ask: Ask
    path: str
    owner: int = 0

    def reached(self, users: str) -> AbstractContextManager[str]:
        """Give a path to connect to: a user's may be that user's socket only, which no link in its folder replaces."""
        return socket_inside(users, self.path, {self.owner}) if self.owner else nullcontext(self.path)


class _Question(msgspec.Struct):
    place: Place
    tries: int = 0
    due: float = 0.0


class Containers:
    """Knows the container of any process; `of` never waits."""

    def __init__(
        self,
        named: Callable[[Container, Container], None] | None = None,
        *,
        procfs: str = "/proc",
        sockets: Sockets | None = None,
        tasks: tuple[str, ...] = TASKS,
        storages: tuple[str, ...] = STORAGES,
    ) -> None:
        """Call `named`, on the asking thread, with what `of` gave without its name, and the same with it."""
        self.named = named
        self._procfs = procfs
        self._sockets = sockets or Sockets()
        self._tasks = tasks
        self._storages = storages
        self._known: OrderedDict[Place, Container] = OrderedDict()
        """By `Place.claim`."""
        self._listed: dict[str, Container] = {}
        """By full id: what the host's engines told at the start."""
        self._became: OrderedDict[int, tuple[Container, Container]] = OrderedDict()
        """By the identity of what `of` gave: that, and the same with its name."""
        self._asked: set[Place] = set()
        """Some of those in `_known`."""
        self._questions: list[_Question] = []
        self._silent: dict[_Interface, tuple[int, float]] = {}
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
        container = self._known.get(place.claim)
        if container is None or not (container.name and container.image):
            place = self._with_monitor(pid, place)
            container = self._known.get(place.claim) or self._remember(place, self._listed.get(place.id) or _blank(place))
            if not (container.name and container.image) and place.claim not in self._asked:
                self._ask_later(place)
        return container

    def latest(self, container: Container) -> Container:
        """Give what is known by now of a container that `of` gave."""
        given, became = self._became.get(id(container), (None, container))
        return became if given is container else container

    def load(self) -> None:
        """Learn all running containers now; waits for the engines, 2 s at most for one that hangs."""
        for interface in self._interfaces(0):
            for identity, container in self._answer(interface, "").items():
                if identity not in self._listed or not self._listed[identity].name:
                    self._listed[identity] = container

    def _named_place(self, cgroup: bytes) -> Place | None:
        return next((place for folder in self._tasks if (place := named_place(cgroup, folder))), None)

    def _with_monitor(self, pid: int, place: Place) -> Place:
        """Add what a monitor above `pid` was told of the same container."""
        told = None if place.name else monitored_place(pid, self._procfs)
        if told is None or told.id != place.id:
            return place
        return place._replace(owner=told.owner, name=told.name, storage=told.storage)

    def _remember(self, place: Place, container: Container) -> Container:
        container = _bounded(_with_pod(container, place))
        with self._lock:
            self._known[place.claim] = container
            while len(self._known) > _LIMIT:
                self._asked.discard(self._known.popitem(last=False)[0])
        return container

    def _ask_later(self, place: Place) -> None:
        if self._wanted.qsize() + len(self._questions) >= _QUESTIONS:
            return
        self._asked.add(place.claim)
        self._wanted.put(place)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="qtap-containers", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        questions = self._questions
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
        for interface in self._interfaces(place.owner):
            found = self._answer(interface, place.id).get(place.id) or found
            if found and found.name:
                break
        else:
            found = find(place, self._tasks, self._storages) or found
        if found is None or not found.name:
            return False
        before = self._known.get(place.claim)
        after = self._remember(place, found)
        if before is not None:
            self._became[id(before)] = before, after
            while len(self._became) > _LIMIT:
                self._became.popitem(last=False)
            if self.named:
                self.named(before, after)
        return True

    def _interfaces(self, owner: int) -> Iterator[_Interface]:
        """Give who may be asked, in the order of how much they know."""
        from qtap.capture.engines import list_containers  # noqa: PLC0415  15 ms that most hosts need not spend

        sockets = self._sockets
        for ask, paths in ((list_containers, sockets.docker), (list_cri, sockets.cri), (list_containerd, sockets.containerd)):
            yield from (_Interface(ask, path) for path in paths if Path(path).exists())
        yield from (_Interface(list_containers, path, owner) for path in sockets.of_user(owner))

    def _answer(self, interface: _Interface, only: str) -> dict[str, Container]:
        from qtap.capture.engines import EngineError  # noqa: PLC0415  likewise

        failures, until = self._silent.get(interface, (0, 0.0))
        if time.monotonic() < until:
            return {}
        try:
            with interface.reached(self._sockets.users) as path:
                answer = interface.ask(path, only, time.monotonic() + _PATIENCE)
        except (EngineError, CallError, OSError):
            self._silent[interface] = failures + 1, time.monotonic() + _PAUSES[min(failures, len(_PAUSES) - 1)]
            return {}
        self._silent.pop(interface, None)
        return answer


def _blank(place: Place) -> Container:
    """Describe a container of which only the host has told."""
    return Container(short_id(place.id), place.name, pod=Pod(uid=place.pod) if place.pod else None)


def _with_pod(container: Container, place: Place) -> Container:
    if not place.pod or container.pod:
        return container
    return msgspec.structs.replace(container, pod=Pod(uid=place.pod))


def _bounded(container: Container) -> Container:
    """Cut what is beyond all measure: each process of the container, and each of its requests, is told with it."""
    left, labels = _LABELS_LIMIT, {}
    for name, value in container.labels.items():
        left -= len(name) + len(value)
        if left >= 0:
            labels[name] = value
    name, image = container.name[:_NAME_LIMIT], container.image[:_NAME_LIMIT]
    return msgspec.structs.replace(container, name=name, image=image, labels=labels)

"""Containers of processes: the id at once, and names from engines that a test plays."""

from __future__ import annotations

import contextlib
import http.server
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Self
from urllib.parse import unquote

import msgspec
import pytest

from qtap.capture import containers as module
from qtap.capture.containers import Containers, Sockets
from qtap.capture.engines import EngineError, list_containers
from qtap.model import Container, Pod

A = "0a" * 31 + "f1"
B = "b2" * 32
KNOWN: list[dict[str, object]] = [
    {"Id": A, "Names": ["/web"], "Image": "nginx:1.27", "Labels": {"team": "[bold]x"}, "State": "running"},
    {"Id": B, "Names": [], "Image": "sha256:77", "Labels": None},
]


class Engine(socketserver.ThreadingUnixStreamServer):
    """Plays a container engine on a socket of the Unix domain."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.asked: Queue[str] = Queue()
        self.answer: bytes | None = None
        self.drip = False
        super().__init__(self.path, Answer)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        self.server.asked.put(unquote(self.path))
        body = self.server.answer
        if body is None:
            body = msgspec.json.encode([entry for entry in KNOWN if "id" not in self.path or str(entry["Id"]) in self.path])
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 20 if self.server.drip else len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the caller had enough
            while self.server.drip:
                self.wfile.write(b" ")
                time.sleep(0.01)
        if not self.server.drip:
            self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "engine.sock") as engine:
        yield engine


@pytest.fixture
def procfs(tmp_path: Path) -> Path:
    for pid, path in {10: f"/docker/{A}", 11: f"/docker/{A}", 12: f"/docker/{B}", 13: "/", 14: f"/docker/{'c3' * 32}"}.items():
        (tmp_path / "proc" / str(pid)).mkdir(parents=True)
        (tmp_path / "proc" / str(pid) / "cgroup").write_text(f"0::{path}\n")
    return tmp_path / "proc"


def soon() -> float:
    return time.monotonic() + 30


def only(*paths: str) -> Sockets:
    return Sockets(docker=paths, containerd=(), cri=(), users="/nowhere")


def test_an_engine_is_asked_for_all_or_for_one(engine: Engine) -> None:
    assert sorted(list_containers(engine.path, "", soon())) == sorted([A, B])
    assert engine.asked.get() == "/containers/json"
    assert list_containers(engine.path, A, soon()) == {
        A: Container(id=A[:12], name="web", image="nginx:1.27", labels={"team": "[bold]x"})
    }
    assert engine.asked.get() == f'/containers/json?all=true&filters={{"id": ["{A}"]}}'


@pytest.mark.parametrize("answer", [b"", b"not json", b"{}", b'[{"Id": 7}]', b'[{"Names": []}]', b'{"message": "no"}', b"\xff"])
def test_an_answer_that_is_none_is_an_error(engine: Engine, answer: bytes) -> None:
    engine.answer = answer
    with pytest.raises(EngineError, match="does not answer as a container engine"):
        list_containers(engine.path, "", soon())


def test_a_socket_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        list_containers(str(tmp_path / "nothing.sock"), "", soon())


def test_the_id_is_known_at_once_and_the_name_comes_later(engine: Engine, procfs: Path) -> None:
    named: Queue[Container] = Queue()
    containers = Containers(lambda _, after: named.put(after), procfs=str(procfs), sockets=only(engine.path))
    first = containers.of(10)
    assert first == Container(id=A[:12])
    whole = named.get(timeout=30)
    assert whole == Container(id=A[:12], name="web", image="nginx:1.27", labels={"team": "[bold]x"})
    assert containers.of(11) == whole
    assert containers.latest(first) is whole
    assert containers.latest(Container(id=A[:12])) == Container(id=A[:12])
    assert engine.asked.qsize() == 1


def test_loading_learns_every_running_container_before_it_is_needed(engine: Engine, procfs: Path) -> None:
    containers = Containers(procfs=str(procfs), sockets=only("/nothing.sock", engine.path))
    containers.load()
    found = containers.of(10)
    assert found is not None
    assert found.name == "web"
    assert engine.asked.qsize() == 1


def test_what_no_engine_knows_keeps_its_id_and_is_not_asked_for_at_every_look(engine: Engine, procfs: Path) -> None:
    named: Queue[Container] = Queue()
    containers = Containers(lambda _, after: named.put(after), procfs=str(procfs), sockets=only(engine.path))
    for _ in range(50):
        assert containers.of(14) == Container(id="c3" * 6)
    containers.of(10)
    assert named.get(timeout=30).name == "web"
    assert engine.asked.qsize() == 2


def test_outside_containers_and_for_processes_that_are_gone_there_is_none(procfs: Path) -> None:
    containers = Containers(procfs=str(procfs), sockets=only())
    assert containers.of(13) is None
    assert containers.of(99) is None
    assert containers.of(10) == Container(id=A[:12])


def test_an_engine_that_speaks_for_ever_is_left_at_the_deadline(engine: Engine) -> None:
    engine.drip = True
    began = time.monotonic()
    with pytest.raises(EngineError):
        list_containers(engine.path, "", began + 0.3)
    assert time.monotonic() - began < 30


def test_an_engine_that_does_not_answer_is_left_alone_for_a_while(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (600.0,))
    engine.answer = b"no"
    containers = Containers(sockets=only(engine.path))
    containers.load()
    containers.load()
    assert engine.asked.qsize() == 1


def test_a_container_that_its_engine_learns_of_later_is_asked_for_again(
    engine: Engine, procfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.01, 0.01, 600.0))
    named: Queue[Container] = Queue()
    containers = Containers(lambda _, after: named.put(after), procfs=str(procfs), sockets=only(engine.path))
    engine.answer = b"[]"
    assert containers.of(10) == Container(id=A[:12])
    engine.asked.get(timeout=30)
    engine.asked.get(timeout=30)
    engine.answer = None
    assert named.get(timeout=30).name == "web"


def test_engines_of_a_user_are_asked_for_what_that_user_runs_only(tmp_path: Path, procfs: Path) -> None:
    uid = os.getuid() or 1000
    (tmp_path / "run" / str(uid)).mkdir(parents=True)
    slice_of_user = f"/user.slice/user-{uid}.slice/user@{uid}.service"
    (procfs / "10" / "cgroup").write_text(f"0::{slice_of_user}/docker-{A}.scope\n")
    named: Queue[Container] = Queue()
    with Engine(tmp_path / "run" / str(uid) / "docker.sock") as engine:
        os.chown(engine.path, uid, -1)
        sockets = Sockets(docker=(), containerd=(), cri=(), users=str(tmp_path / "run"))
        containers = Containers(lambda _, after: named.put(after), procfs=str(procfs), sockets=sockets)
        assert containers.of(12) == Container(id=B[:12])
        assert containers.of(10) == Container(id=A[:12])
        assert named.get(timeout=30).name == "web"
        assert [engine.asked.get()] == [f'/containers/json?all=true&filters={{"id": ["{A}"]}}']
        assert engine.asked.empty()


def test_where_no_engine_listens_the_monitor_and_files_give_the_name(tmp_path: Path, procfs: Path) -> None:
    storage = tmp_path / "overlay-containers"
    storage.mkdir()
    metadata = '{"image-name":"shop/front:1","name":"web"}'
    (storage / "containers.json").write_bytes(msgspec.json.encode([{"id": A, "names": ["web"], "metadata": metadata}]))
    named: Queue[Container] = Queue()
    containers = Containers(lambda _, after: named.put(after), procfs=str(procfs), sockets=only(), storages=(str(storage),))
    assert containers.of(10) == Container(id=A[:12])
    assert named.get(timeout=30) == Container(A[:12], "web", "shop/front:1")


def monitored(procfs: Path, pid: int, name: str, storage: Path) -> None:
    """Make `pid` a process below a monitor of the user 1000, of the container A."""
    (procfs / "self" / "ns").mkdir(parents=True, exist_ok=True)
    (procfs / "self" / "ns" / "pid").unlink(missing_ok=True)
    (procfs / "self" / "ns" / "pid").symlink_to("pid:[host]")
    words = ["conmon", "-c", A, "-n", name, "-b", f"{storage}/{A}/userdata"]
    for number, parent, comm, namespace in ((pid, pid + 1000, "sh", "own"), (pid + 1000, 1, "conmon", "host")):
        folder = procfs / str(number)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "pid").symlink_to(f"pid:[{namespace}]")
        (folder / "cgroup").write_text("0::/\n")
        (folder / "stat").write_text(f"{number} ({comm}) S {parent} 0")
        (folder / "status").write_text(f"Name:\t{comm}\nUid:" + "\t1000" * 4 + "\n")
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_a_user_who_lies_about_an_id_names_no_container_of_others(tmp_path: Path, procfs: Path) -> None:
    monitored(procfs, 20, "lie", tmp_path / "lies")
    named: Queue[tuple[Container, Container]] = Queue()
    storage = tmp_path / "storage"
    storage.mkdir()
    (storage / "containers.json").write_bytes(msgspec.json.encode([{"id": A, "names": ["web"], "metadata": ""}]))
    containers = Containers(
        lambda before, after: named.put((before, after)), procfs=str(procfs), sockets=only(), storages=(str(storage),)
    )
    liar, honest = containers.of(20), containers.of(10)
    assert (liar, honest) == (Container(A[:12], "lie"), Container(A[:12]))
    assert honest is not None
    became = {id(before): after for before, after in (named.get(timeout=30), named.get(timeout=30))}
    assert became[id(honest)] == Container(A[:12], "web")
    assert containers.latest(honest).name == "web"


def test_a_name_without_bounds_is_cut(tmp_path: Path, procfs: Path) -> None:
    labels = {"a": "x" * 60_000, "b": "x" * 60_000}
    monitored(procfs, 20, "n" * 5000, tmp_path)
    found = Containers(procfs=str(procfs), sockets=only()).of(20)
    assert found is not None
    assert len(found.name) == 512
    with Engine(tmp_path / "engine.sock") as engine:
        engine.answer = msgspec.json.encode([{"Id": A, "Names": ["/web"], "Image": "i" * 5000, "Labels": labels}])
        containers = Containers(procfs=str(procfs), sockets=only(engine.path))
        containers.load()
        told = containers.of(10)
    assert told is not None
    assert (told.name, len(told.image), [*told.labels]) == ("web", 512, ["a"])


def test_names_of_control_groups_without_end_are_not_all_asked_for(
    engine: Engine, procfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUESTIONS", 20)
    monkeypatch.setattr(module, "_PAUSES", (600.0,))
    engine.answer = b"[]"
    containers = Containers(procfs=str(procfs), sockets=only(engine.path))
    for number in range(100):
        (procfs / "10" / "cgroup").write_text(f"0::/docker/{number:064x}\n")
        assert containers.of(10) is not None
    time.sleep(0.3)
    assert engine.asked.qsize() <= 21


def test_a_link_in_the_folder_of_a_user_leads_to_no_other_engine(engine: Engine, tmp_path: Path, procfs: Path) -> None:
    (tmp_path / "run" / "1000").mkdir(parents=True)
    (tmp_path / "run" / "1000" / "docker.sock").symlink_to(engine.path)
    (procfs / "10" / "cgroup").write_text(f"0::/user.slice/user-1000.slice/docker-{A}.scope\n")
    sockets = Sockets(docker=(), containerd=(), cri=(), users=str(tmp_path / "run"))
    containers = Containers(procfs=str(procfs), sockets=sockets)
    assert containers.of(10) == Container(id=A[:12])
    time.sleep(0.3)
    assert engine.asked.empty()


def test_the_pod_is_known_by_its_uid_before_anybody_names_it(procfs: Path) -> None:
    uid = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
    (procfs / "10" / "cgroup").write_text(f"0::/kubepods/burstable/pod{uid}/{A}\n")
    assert Containers(procfs=str(procfs), sockets=only()).of(10) == Container(A[:12], pod=Pod(uid=uid))


def test_a_user_may_say_where_engines_listen() -> None:
    assert Sockets.chosen() == Sockets()
    chosen = Sockets.chosen("unix:///a.sock", "/b.sock")
    assert (chosen.docker, chosen.containerd, chosen.cri) == (("/a.sock",), ("/b.sock",), ("/b.sock", *Sockets().cri))
    assert Sockets.chosen(cri="/c.sock").cri == ("/c.sock",)

"""Container ids from control groups as engines write them, and names from an engine that a test plays."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Self
from urllib.parse import unquote

import msgspec
import pytest

from qtap.capture.containers import Containers, container_id
from qtap.capture.engines import EngineError, list_containers
from qtap.model import Container

A = "0a" * 31 + "f1"
B = "b2" * 32
KNOWN: list[dict[str, object]] = [
    {"Id": A, "Names": ["/web"], "Image": "nginx:1.27", "Labels": {"team": "[bold]x"}, "State": "running"},
    {"Id": B, "Names": [], "Image": "sha256:77", "Labels": None},
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0::/", ""),
        ("0::/user.slice/user-1000.slice/session-2.scope", ""),
        (f"0::/system.slice/docker-{A}.scope", A),
        (f"12:pids:/docker/{A}\n0::/docker/{A}", A),
        (f"9:name=systemd:/\n4:memory:/docker/{A}\n0::/", A),
        (f"0::/machine.slice/libpod-{A}.scope/container", A),
        (f"0::/machine.slice/libpod-conmon-{A}.scope", ""),
        (f"3:cpu:/libpod_parent/libpod-{A}", A),
        (f"0::/kubepods.slice/kubepods-pod9f1c.slice/cri-containerd-{A}.scope", A),
        (f"11:cpuset:/kubepods/burstable/pod2b7e/{A}", A),
        (f"0::/docker/{B}/kubepods/pod2b7e/{A}", A),
        (f"0::/system.slice/crio-conmon-{A}.scope", ""),
        (f"0::/build/{A}0", ""),
        (f"0::/build/{A[:-1]}", ""),
        (f"0::/build/{A.upper()}", ""),
        ("4:memory:/process_api/13253b620c33c1b67589ec0edca666f9", ""),
        ("", ""),
    ],
)
def test_the_id_is_the_innermost_of_a_line(text: str, found: str) -> None:
    assert container_id(text.encode()) == found


class Engine(socketserver.ThreadingUnixStreamServer):
    """Plays a container engine on a socket of the Unix domain."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.asked: Queue[str] = Queue()
        self.answer: bytes | None = None
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
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
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


def test_an_engine_is_asked_for_all_or_for_one(engine: Engine) -> None:
    assert sorted(list_containers(engine.path)) == sorted([A, B])
    assert engine.asked.get() == "/containers/json"
    assert list_containers(engine.path, A) == {
        A: Container(id=A[:12], name="web", image="nginx:1.27", labels={"team": "[bold]x"})
    }
    assert engine.asked.get() == f'/containers/json?all=true&filters={{"id": ["{A}"]}}'


@pytest.mark.parametrize("answer", [b"", b"not json", b"{}", b'[{"Id": 7}]', b'[{"Names": []}]', b'{"message": "no"}', b"\xff"])
def test_an_answer_that_is_none_is_an_error(engine: Engine, answer: bytes) -> None:
    engine.answer = answer
    with pytest.raises(EngineError, match="does not answer as a container engine"):
        list_containers(engine.path)


def test_a_socket_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        list_containers(str(tmp_path / "nothing.sock"))


def test_the_id_is_known_at_once_and_the_name_comes_later(engine: Engine, procfs: Path) -> None:
    named: Queue[Container] = Queue()
    containers = Containers(named.put, procfs=str(procfs), sockets=[engine.path])
    first = containers.of(10)
    assert first == Container(id=A[:12])
    whole = named.get(timeout=10)
    assert whole == Container(id=A[:12], name="web", image="nginx:1.27", labels={"team": "[bold]x"})
    assert containers.of(11) == whole
    assert containers.latest(Container(id=A[:12])) == whole
    assert engine.asked.qsize() == 1


def test_loading_learns_every_running_container_before_it_is_needed(engine: Engine, procfs: Path) -> None:
    containers = Containers(procfs=str(procfs), sockets=["/nothing.sock", engine.path])
    containers.load()
    found = containers.of(10)
    assert found is not None
    assert found.name == "web"
    assert engine.asked.qsize() == 1


def test_what_no_engine_knows_keeps_its_id_and_is_not_asked_for_at_every_look(engine: Engine, procfs: Path) -> None:
    named: Queue[Container] = Queue()
    containers = Containers(named.put, procfs=str(procfs), sockets=[engine.path])
    for _ in range(50):
        assert containers.of(14) == Container(id="c3" * 6)
    containers.of(10)
    assert named.get(timeout=10).name == "web"
    assert engine.asked.qsize() == 2


def test_outside_containers_and_for_processes_that_are_gone_there_is_none(procfs: Path) -> None:
    containers = Containers(procfs=str(procfs), sockets=[])
    assert containers.of(13) is None
    assert containers.of(99) is None
    assert containers.of(10) == Container(id=A[:12])

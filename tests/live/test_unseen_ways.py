"""Bytes that pass in no buffer of a system call: from files, through pipes, through io_uring. All of them, or how many."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.program import Capture, Fields, body_of, until
from tests.live.servers import body_for, recorder
from tests.live.wires import port_of, read, say, wire

pytestmark = pytest.mark.live

LINUX = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))
needs_uring = pytest.mark.skipif(LINUX < (5, 19), reason="what io_uring does shows since Linux 5.19")
needs_send_zc = pytest.mark.skipif(LINUX < (6, 0), reason="the client sends in a way that Linux 6.0 brought; 5.19 lets be read")
ASK = b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n"
Send = Callable[[socket.socket, int, int], None]


@pytest.fixture(scope="module")
def uring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("uring") / "uring-client"
    subprocess.run(["gcc", "-O2", "-o", program, Path(__file__).with_name("uring.c")], check=True)
    return program


def answer_from(capture: Capture, path: Path, send: Send, *, calls: int = 1) -> tuple[Fields, int]:
    """Answer one request with the file at `path`; give what the server's side shows, and the client's port."""
    size = path.stat().st_size
    with wire() as (client, server), path.open("rb") as file:
        say(client, server, ASK)
        say(server, client, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for call in range(calls):
            begin, end = size * call // calls, size * (call + 1) // calls
            os.lseek(file.fileno(), begin, os.SEEK_SET)
            send(server, file.fileno(), end - begin)
            assert read(client, end - begin) == path.read_bytes()[begin:end]
        port = port_of(client)
    theirs, ours = capture.both_ends(port)
    assert body_of(theirs[0]["response"]) == path.read_bytes()
    return ours[0], port


def by_sendfile(server: socket.socket, file: int, size: int) -> None:
    while size:
        size -= os.sendfile(server.fileno(), file, None, size)


def by_sendfile_from_an_offset(server: socket.socket, file: int, size: int) -> None:
    begin = os.lseek(file, 0, os.SEEK_CUR)
    end = begin + size
    while begin < end:
        begin += os.sendfile(server.fileno(), file, begin, end - begin)


def by_splice(server: socket.socket, file: int, size: int) -> None:
    out, into = os.pipe()
    while size:
        moved = os.splice(file, into, min(size, 65_536))
        size -= moved
        while moved:
            moved -= os.splice(out, server.fileno(), moved)
    os.close(out)
    os.close(into)


def written(folder: Path, size: int) -> Path:
    """Write a file, and let it be old enough that a later change would show in its times."""
    path = folder / "deep er" / "file ü"
    path.parent.mkdir()
    path.write_bytes(body_for(str(folder), size))
    time.sleep(0.05)
    return path


def ends(capture: Capture, port: int) -> list[Fields]:
    def found() -> list[Fields]:
        closed = [line for line in capture.of("connection") if line["finalized"]]
        return [
            line for line in closed if port in (end["address"].get("port") for end in (line["source"], line["destination"]))
        ]

    until(lambda: len(found()) == 2, "both ends of the connection")
    return sorted(found(), key=lambda line: str(line["direction"]))


@pytest.mark.parametrize("send", [by_sendfile, by_sendfile_from_an_offset])
@pytest.mark.parametrize(("size", "calls"), [(100, 1), (200_000, 1), (3_000_000, 7)])
def test_what_sendfile_sent_is_read_from_the_file(capture: Capture, tmp_path: Path, send: Send, size: int, calls: int) -> None:
    path = written(tmp_path, size)
    seen, _ = answer_from(capture, path, send, calls=calls)
    assert body_of(seen["response"]) == path.read_bytes()
    assert "incomplete" not in seen


def test_a_file_that_was_replaced_is_not_taken_for_it(capture: Capture, tmp_path: Path) -> None:
    path = written(tmp_path, 5000)

    def replaced(server: socket.socket, file: int, size: int) -> None:
        path.unlink()
        path.write_bytes(body_for(str(tmp_path), 5000))
        by_sendfile(server, file, size)

    seen, _ = answer_from(capture, path, replaced)
    assert (seen["response"]["body_truncated"], seen["incomplete"]) == (5000, ["response_body_lost"])


def test_a_file_that_was_just_written_is_not_taken_for_it(capture: Capture, tmp_path: Path) -> None:
    path = written(tmp_path, 5000)

    def changed(server: socket.socket, file: int, size: int) -> None:
        with path.open("r+b") as writer:
            writer.write(b"!")
        by_sendfile(server, file, size)

    seen, port = answer_from(capture, path, changed)
    assert (seen["response"]["body_truncated"], seen["incomplete"]) == (5000, ["response_body_lost"])
    assert ends(capture, port)[1]["bytesSentUnseen"] == 5000


def test_what_went_through_a_pipe_is_counted(capture: Capture, tmp_path: Path) -> None:
    path = written(tmp_path, 150_000)
    seen, port = answer_from(capture, path, by_splice)
    assert (seen["response"]["body_truncated"], seen["incomplete"]) == (150_000, ["response_body_lost"])
    assert [line.get("bytesSentUnseen", 0) for line in ends(capture, port)] == [0, 150_000]


def test_what_was_taken_into_a_pipe_is_counted(capture: Capture) -> None:
    out, into = os.pipe()
    with wire() as (client, server):
        say(client, server, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        client.sendall(bytes(1000))
        left = 1000
        while left:
            left -= os.splice(server.fileno(), into, left)
        say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
        say(client, server, ASK)
        say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
        port = port_of(client)
    os.close(out)
    os.close(into)
    _, (posted, asked) = capture.both_ends(port, 2)
    assert (posted["request"]["body_truncated"], posted["incomplete"]) == (1000, ["request_body_lost"])
    assert (asked["request"]["method"], "incomplete" in asked) == ("GET", False)
    assert ends(capture, port)[1]["bytesReceivedUnseen"] == 1000


@needs_send_zc
@pytest.mark.parametrize("polls", [[], ["poll"]])
def test_io_uring_is_seen_whatever_the_operation(capture: Capture, uring: Path, polls: list[str]) -> None:
    with recorder() as server:
        port = server.server_address[1]
        for way in range(5):
            done = subprocess.run([uring, str(port), str(way), *polls], check=False)
            if done.returncode == 77:
                pytest.skip("this kernel allows no io_uring")
            assert done.returncode == 0
    found = capture.wait_for(
        5, lambda t: t["request"]["authority"] == "uring" and t["direction"] != "ingress" and _port(t) == port
    )
    found.sort(key=lambda t: str(t["request"]["headers"]["X-Id"]))
    for way, seen in enumerate(found):
        assert seen["request"]["headers"]["X-Id"] == f"way-{way}"
        assert body_of(seen["response"]) == body_for(f"answer way-{way}", 50_000)
        assert "incomplete" not in seen


@needs_uring
@pytest.mark.parametrize("polls", [[], ["poll"]])
def test_io_uring_that_carries_no_http_is_told_of_with_its_bytes(capture: Capture, uring: Path, polls: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with subprocess.Popen([uring, str(port), "other", *polls]) as client:
            served, _ = listener.accept()
            with served:
                if client.poll() == 77:
                    pytest.skip("this kernel allows no io_uring")
                assert served.recv(100) == b"\002no HTTP"
                served.sendall(b"\003nor I")
        assert client.returncode == 0
    told = ends(capture, port)[0]
    assert told["source"]["exe"] == str(uring)
    assert (told["l7Protocol"], told["bytesSent"], told["bytesReceived"]) == ("other", 8, 6)


def _port(transaction: Fields) -> int:
    return int(transaction["metadata"]["remote_address"].rpartition(":")[2])

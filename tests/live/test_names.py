"""Connections without a name of their own, whose address was looked up before: connected resolvers, and ones that are not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.program import Capture, client_port, is_server
from tests.live.servers import recorder
from tests.wire.test_dns import ASKED, A, answer, record

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("name_server")]

SERVER = ("127.0.53.77", 53)
LOOPBACK = bytes((127, 0, 0, 1))


@pytest.fixture
def name_server() -> Iterator[None]:
    """Say whatever it is told, from port 53."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(SERVER)

        def serve() -> None:
            while True:
                said, client = sock.recvfrom(4096)
                if client == SERVER:
                    return
                sock.sendto(said, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        sock.sendto(b"", SERVER)
        thread.join()


def by_connected(said: bytes) -> None:
    """Ask as glibc does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(SERVER)
        sock.send(said)
        sock.recv(2048)


def by_recvfrom(said: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(said, SERVER)
        sock.recvfrom(2048)


def by_recvmsg(said: bytes) -> None:
    """Ask as musl does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(said, SERVER)
        sock.recvmsg(2048)


@pytest.mark.parametrize("ask", [by_connected, by_recvfrom, by_recvmsg])
def test_a_request_without_host_has_the_name_that_was_looked_up(ask: Callable[[bytes], None]) -> None:
    with recorder() as server, Capture() as capture:
        ask(answer("shop.example", record(ASKED, A, LOOPBACK)))
        with socket.create_connection(("127.0.0.1", server.server_port)) as client:
            port = client.getsockname()[1]
            client.sendall(b"GET /bare HTTP/1.0\r\n\r\n")
            while client.recv(1 << 16):
                pass
        found = capture.wait_for(2, lambda transaction: client_port(transaction) == port)
    (ours,) = [transaction for transaction in found if not is_server(transaction)]
    assert ours["request"]["url"] == "http://shop.example/bare"
    assert ours["metadata"]["endpoint_id"] == "shop.example"
    ends = {event["direction"]: event["meta"]["endpointId"] for event in capture.of("connection") if event["finalized"]}
    assert ends == {"egress-internal": "shop.example", "ingress": "127.0.0.1"}


def test_a_filter_can_leave_names_out(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("tap: {filters: {custom: [{exe: python, strategy: contains, only: [dns]}]}}")
    with recorder() as server, Capture("--config", tmp_path / "c.yaml") as capture:
        by_connected(answer("shop.example", record(ASKED, A, LOOPBACK)))
        with socket.create_connection(("127.0.0.1", server.server_port)) as client:
            client.sendall(b"GET /bare HTTP/1.0\r\n\r\n")
            while client.recv(1 << 16):
                pass
        (seen,) = capture.wait_for(1, lambda transaction: not is_server(transaction))
    assert seen["request"]["url"] == f"http://127.0.0.1:{server.server_port}/bare"

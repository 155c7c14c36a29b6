"""Clients and servers on rustls, of the versions and mangled names that cargo builds, by the server's own record."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.live.asking import COUNT, Ask, asks, with_curl
from tests.live.comparing import compare
from tests.live.program import Capture, Fields, is_server
from tests.live.rust import CLIENTS, MANGLINGS, SERVERS, RustClient, RustServer, build
from tests.live.servers import recorder

pytestmark = [
    pytest.mark.live,
    pytest.mark.matrix,
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs Rust's cargo"),
    pytest.mark.parametrize("folder", MANGLINGS),
]


def certify(name: str, key: Path, certificate: Path, *options: str | Path) -> None:
    """Make a key and a certificate of it for `name`."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, *options, "-keyout", key, "-out", certificate], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a PEM file with an authority's certificate: rustls takes none that is a server's own authority."""
    folder = tmp_path_factory.mktemp("authority")
    certify("authority", folder / "key.pem", folder / "cert.pem")
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def certificate(authority: Path) -> Path:
    """Give a PEM file with a server's key and certificate, by that authority."""
    key, pem = authority.with_name("server-key.pem"), authority.with_name("server.pem")
    by: list[str | Path] = ["-CA", authority, "-CAkey", authority.with_name("key.pem"), "-addext", "basicConstraints=CA:FALSE"]
    certify("localhost", key, pem, *by, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    pem.write_text(key.read_text() + pem.read_text())
    return pem


@pytest.mark.parametrize("client", CLIENTS)
def test_every_request_of_a_client_is_captured_as_the_server_saw_it(
    certificate: Path, authority: Path, folder: str, client: str
) -> None:
    program = build(folder) / client
    with recorder(certificate) as server:
        running = RustClient(program, server.url, authority)
        with Capture("--ring-size", "128MB") as capture:
            running.ask(asks(client))
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


@pytest.mark.parametrize("program", SERVERS)
def test_every_request_of_a_server_is_captured_as_it_saw_it(
    certificate: Path, authority: Path, folder: str, program: str, tmp_path: Path
) -> None:
    with RustServer(build(folder) / program, certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_curl(server.url, authority, program, tmp_path)
            capture.wait_for(2 * COUNT, lambda _: True)
        seen = server.record()
    assert len(seen) == COUNT
    compare(capture.transactions, seen)
    assert capture.of("loss") == []


@pytest.mark.parametrize("program", SERVERS)
def test_a_server_whose_connections_were_open_before_is_captured_wholly(
    certificate: Path, authority: Path, folder: str, program: str
) -> None:
    context = ssl.create_default_context(cafile=authority)
    with RustServer(build(folder) / program, certificate) as server:
        connections = [http.client.HTTPSConnection("127.0.0.1", server.port, context=context) for _ in range(5)]
        early, first, late = (list(asks(name, count)) for name, count in (("early", 5), ("first", 5), ("late", COUNT)))
        for connection, ask in zip(connections, early, strict=True):
            _ask(connection, ask)
        with Capture("--ring-size", "128MB") as capture:
            for connection, ask in zip(connections, first, strict=True):
                _ask(connection, ask)
            for at, ask in enumerate(late):
                _ask(connections[at % len(connections)], ask)
            capture.wait_for(2 * COUNT, lambda one: _ident(one).startswith("late"))
        for connection in connections:
            connection.close()
        seen = [one for one in server.record() if one.id.startswith("late")]
    assert len(seen) == COUNT
    # A thread that waits inside a read when the probes come is seen from its answer on.
    begun = [one for one in capture.transactions if is_server(one) and "incomplete" in one]
    assert len(begun) <= len(first)
    assert all(_ident(one).startswith("first") for one in begun)
    compare([one for one in capture.transactions if _ident(one).startswith("late")], seen)


def _ident(transaction: Fields) -> str:
    return str(transaction["response"].get("headers", {}).get("X-Id", ""))


def _ask(connection: http.client.HTTPSConnection, ask: Ask) -> None:
    connection.request(ask.method, ask.path, ask.body, dict(ask.headers))
    connection.getresponse().read()

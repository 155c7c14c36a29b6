"""Go's crypto/tls at one end and at both, by the server's own record: 211 requests on 50 connections."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.asking import COUNT, asks
from tests.live.comparing import compare
from tests.live.golang import BUILDS, GoClient, build, compilers, go_server
from tests.live.program import Capture
from tests.live.servers import recorder

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("go"), reason="needs Go's compiler")]

CONNECTIONS = 50
Program = Callable[[str], Path]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Give the program as one of BUILDS, built once."""
    folder = tmp_path_factory.mktemp("go")
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            built[name] = build("go", folder, name)
        return built[name]

    return get


@pytest.mark.parametrize(("name", "kind"), [("plain", "now,wrapped"), ("stripped", "now")])
def test_every_request_of_a_client_is_captured_as_the_server_saw_it(
    certificate: Path, tmp_path: Path, program: Program, name: str, kind: str
) -> None:
    # Another process runs the same file, so that it has its probes before the client starts.
    with recorder(certificate) as server, go_server(program(name), certificate):
        with Capture("--ring-size", "128MB") as capture:
            client = GoClient(program(name), certificate, server.url, asks(name), tmp_path, kind=kind, connections=CONNECTIONS)
            client.finish()
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_connections_open_before_capture_are_seen_at_both_ends(certificate: Path, tmp_path: Path, program: Program) -> None:
    with go_server(program("plain"), certificate) as server:
        client = GoClient(program("stripped"), certificate, server.url, asks("before"), tmp_path, connections=CONNECTIONS)
        with Capture("--ring-size", "128MB") as capture:
            client.finish()
            record = server.end()
    assert len(record) == COUNT + CONNECTIONS
    compare(capture.transactions, [seen for seen in record if not seen.id.startswith("open-")])
    assert capture.of("loss") == []


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["", "wrapped"])
@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("go", compilers())
def test_every_version_and_build_is_seen_at_both_ends(certificate: Path, tmp_path: Path, go: str, name: str, kind: str) -> None:
    program = build(go, tmp_path, name)
    with go_server(program, certificate, kind) as server:
        with Capture("--ring-size", "128MB") as capture:
            client = GoClient(
                program, certificate, server.url, asks(name), tmp_path, kind=f"now,{kind}", connections=CONNECTIONS
            )
            client.finish()
            record = server.end()
        assert len(record) == COUNT
        compare(capture.transactions, record)
        assert capture.of("loss") == []

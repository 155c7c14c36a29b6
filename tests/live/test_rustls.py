"""Clients on rustls, of the versions and mangled names that cargo builds, by the server's own record."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.asking import COUNT, asks
from tests.live.comparing import compare
from tests.live.program import Capture
from tests.live.rust import CLIENTS, MANGLINGS, RustClient, build
from tests.live.servers import recorder

pytestmark = [
    pytest.mark.live,
    pytest.mark.matrix,
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs Rust's cargo"),
    pytest.mark.parametrize("folder", MANGLINGS),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a PEM file with an authority's certificate: rustls takes none that is a server's own authority."""
    folder = tmp_path_factory.mktemp("authority")
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=authority",
    ]
    subprocess.run([*command, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def certificate(authority: Path) -> Path:
    """Give a PEM file with a server's key and certificate, by that authority."""
    key, pem = authority.with_name("server-key.pem"), authority.with_name("server.pem")
    by: list[str | Path] = ["-CA", authority, "-CAkey", authority.with_name("key.pem"), "-addext", "basicConstraints=CA:FALSE"]
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        *by,
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", pem], check=True, capture_output=True)
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

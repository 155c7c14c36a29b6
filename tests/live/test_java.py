"""TLS of Java: what is captured is what happened, at both ends, by the server's own record."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtap.capture.java import jar
from tests.live.asking import COUNT, with_curl
from tests.live.comparing import compare
from tests.live.http2_ends import http2_server
from tests.live.jvms import asker, javas, jvm, mix, seen_by
from tests.live.program import Capture
from tests.live.servers import recorder

VERSIONS = [pytest.param(version, marks=[pytest.mark.matrix] if number else []) for number, version in enumerate(javas())]
pytestmark = [pytest.mark.live, pytest.mark.parametrize("version", VERSIONS)]


@pytest.fixture(scope="module", autouse=True)
def agent() -> None:
    """Make the agent's jar, as `make setup` does."""
    jar.main()


@pytest.mark.parametrize(("kind", "threads"), [("h1", 50), ("url", 1)])
def test_every_request_of_a_java_client_is_captured(certificate: Path, version: str, kind: str, threads: int) -> None:
    with (
        recorder(certificate) as server,
        Capture("--java", "--ring-size", "128MB") as capture,
        jvm(*asker(javas()[version], kind, server.url, certificate, threads)) as client,
    ):
        client.wait_until_captured(capture)
        client.ask(mix(f"{kind}-{version}"))
        client.end()
        capture.stop()
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_every_request_of_httpclient_over_http2_is_captured(certificate: Path, version: str) -> None:
    with (
        http2_server(certificate) as server,
        Capture("--java", "--ring-size", "128MB") as capture,
        jvm(*asker(javas()[version], "h2", server.url, certificate, 50)) as client,
    ):
        client.wait_until_captured(capture)
        client.ask(mix(f"h2-{version}"))
        client.end()
        capture.stop()
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_every_request_to_a_java_server_is_captured(certificate: Path, tmp_path: Path, version: str) -> None:
    with (
        Capture("--java", "--ring-size", "128MB") as capture,
        jvm(javas()[version], "Answerer", certificate.with_name("cert.pem"), certificate) as server,
    ):
        url = f"https://127.0.0.1:{server.stdout.readline().strip()}"
        server.wait_until_captured(capture)
        with_curl(url, certificate, f"server-{version}", tmp_path)
        seen = seen_by(server.end())
        capture.stop()
        assert len(seen) == COUNT
        compare(capture.transactions, seen)
        assert capture.of("loss") == []

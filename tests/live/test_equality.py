"""What is captured is what happened, by the server's own record: 211 requests of each kind of client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.asking import COUNT, in_python, with_curl
from tests.live.comparing import compare
from tests.live.program import Capture
from tests.live.servers import recorder

pytestmark = pytest.mark.live

CURLS = {"plain": (), "tls-1.2": ("--tls-max", "1.2"), "tls-1.3": ("--tlsv1.3",)}


@pytest.mark.parametrize("kind", CURLS)
def test_every_request_of_curl_is_captured_as_the_server_saw_it(certificate: Path, tmp_path: Path, kind: str) -> None:
    with recorder(None if kind == "plain" else certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_curl(server.url, certificate, kind, tmp_path, *CURLS[kind])
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


@pytest.mark.parametrize(
    ("client", "scheme"),
    [
        ("requests", "http"),
        ("requests", "https"),
        ("urllib", "https"),
        pytest.param("urllib", "http", marks=pytest.mark.matrix),
    ],
)
def test_every_request_of_python_is_captured_as_the_server_saw_it(certificate: Path, client: str, scheme: str) -> None:
    with recorder(certificate if scheme == "https" else None) as server:
        with Capture("--ring-size", "128MB") as capture:
            in_python(client, server.url, certificate, f"{client}-{scheme}")
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []

"""Clients of GnuTLS and of NSS against the server's own record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.asking import asks
from tests.live.command_clients import with_tstclnt, with_wget
from tests.live.comparing import compare
from tests.live.program import Capture
from tests.live.servers import recorder

pytestmark = pytest.mark.live

COUNT = 53


def test_every_request_of_wget_is_captured_as_the_server_saw_it(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_wget(server.url, certificate, list(asks("wget", COUNT)), tmp_path)
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_every_request_of_an_nss_client_is_captured_as_the_server_saw_it(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_tstclnt(server.url, list(asks("nss", COUNT)), tmp_path)
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []

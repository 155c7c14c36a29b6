"""A program that gives OpenSSL a BIO of its own: where its ciphertext passes is found once its requests lack an address."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.program import PATIENCE, Capture, client_port, is_server
from tests.live.servers import recorder

pytestmark = pytest.mark.live

SOURCE = Path(__file__).with_name("custom_bio.c")


def test_a_custom_bio_has_its_socket_after_the_first_requests_and_those_are_shown_without(
    certificate: Path, tmp_path: Path
) -> None:
    program = tmp_path / "client"
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE, "-lssl", "-lcrypto"], check=True)
    with recorder(certificate) as server, Capture("--ring-size", "64MB") as capture:
        command: list[str | Path] = [program, str(server.server_port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "open\n"
            # The first is passed on without an address after 0.2 s, which asks for the probes; they come when they come.
            for number in itertools.count(1):
                client.stdin.write("1\n")
                client.stdin.flush()
                assert client.stdout.readline() == "asked\n"
                early = capture.wait_for(number, lambda transaction: not is_server(transaction))
                if client_port(early[-1]):
                    break
            client.communicate(f"{COUNT}\n", PATIENCE)
        assert client.returncode == 0
    ours = [transaction for transaction in capture.transactions if not is_server(transaction)]
    assert [transaction for transaction in ours if "incomplete" in transaction] == []
    assert len(ours) == COUNT + len(early)
    assert {client_port(transaction) for transaction in early[:-1]} == {0}
    ports = {transaction["response"]["headers"]["X-Peer-Port"] for transaction in ours}
    assert {str(client_port(transaction)) for transaction in ours[len(early) - 1 :]} == ports

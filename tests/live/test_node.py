"""Node carries OpenSSL in its own file, and the ciphertext to its sockets itself: 50 connections, both ends in one process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import compare_ends
from tests.live.program import PATIENCE, Capture, Fields, body_of, client_port, is_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("node"), reason="no node")]

PROGRAM = Path(__file__).with_name("node_https.js")
SIZES = (0, 10, 3_000, 40_000)
OPENING = {f"open-{number}" for number in range(50)}
ASKED = {f"node-{number}" for number in range(COUNT)} | {f"fetch-{number}" for number in range(COUNT // 10 + 1)}


@contextmanager
def node(certificate: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process whose connections are open."""
    command: list[str | Path] = ["node", PROGRAM, certificate, str(COUNT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", PATIENCE * 2)
    assert process.returncode == 0


def body_for(name: str) -> bytes:
    size = SIZES[int(name.rpartition("-")[2]) % len(SIZES)]
    return (name.encode() * (size // len(name) + 1))[:size]


def check(transactions: list[Fields], names: set[str]) -> None:
    """See that each request was captured at both ends, whole, with the addresses that the server saw."""
    assert [transaction for transaction in transactions if "incomplete" in transaction] == []
    for server_side in (False, True):
        side = [transaction for transaction in transactions if is_server(transaction) == server_side]
        assert len(side) == len(names)
        assert {transaction["request"]["headers"]["X-Id"] for transaction in side} == names
    for transaction in transactions:
        name = transaction["request"]["headers"]["X-Id"]
        answer = transaction["response"]["headers"]
        assert (answer["X-Id"], answer["X-Peer-Port"]) == (name, str(client_port(transaction)))
        assert body_of(transaction["response"]) == body_for(f"answer-{name}")
        assert body_of(transaction["request"]) == (body_for(name) if transaction["request"]["method"] == "POST" else b"")
    compare_ends(transactions)


def test_every_request_of_node_has_the_addresses_that_the_server_saw(certificate: Path) -> None:
    # Another node keeps the file known: what a program does while its file is seen for the first time is another test's matter.
    with node(certificate), Capture("--ring-size", "128MB") as capture, node(certificate) as process:
        go_on(process)
    check(capture.transactions, OPENING | ASKED)
    assert capture.of("loss") == []


def test_connections_open_before_capture_have_their_addresses_too(certificate: Path) -> None:
    with node(certificate) as process, Capture("--ring-size", "128MB") as capture:
        go_on(process)
    check(capture.transactions, ASKED)
    assert capture.of("loss") == []

"""TLS libraries that read and write memory, so that only the ciphertext tells whose socket it is: asyncio at both ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import compare_ends
from tests.live.memory_bios import CONNECTIONS, asked_size
from tests.live.program import PATIENCE, Capture, Fields, body_of, client_port, is_server
from tests.live.servers import body_for

pytestmark = pytest.mark.live

Running = subprocess.Popen[str]


def start(*arguments: str | Path) -> tuple[Running, str]:
    """Start a program of `memory_bios`; give it with its first line."""
    command = [sys.executable, "-m", "tests.live.memory_bios", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def go_on(process: Running) -> None:
    process.communicate("\n", PATIENCE * 2)
    assert process.returncode == 0


@contextmanager
def both_ends(server_name: str, certificate: Path) -> Iterator[Running]:
    """Give a client whose connections to a server are open, and that asks the rest when told."""
    with ExitStack() as running:
        server, url = start(server_name, certificate)
        running.callback(end, server)
        client, line = start("client", url, certificate, server_name, str(COUNT))
        running.callback(end, client)
        assert line == "open"
        yield client
        go_on(server)


def end(process: Running) -> None:
    process.kill()
    process.communicate()


def check(transactions: list[Fields], names: set[str]) -> None:
    """See that each request was captured at both ends, whole, and that every address is the one that the server saw."""
    assert [transaction for transaction in transactions if "incomplete" in transaction] == []
    for server_side in (False, True):
        side = [transaction for transaction in transactions if is_server(transaction) == server_side]
        assert len(side) == len(names)
        assert {transaction["request"]["headers"]["X-Id"] for transaction in side} == names
    for transaction in transactions:
        name = transaction["request"]["headers"]["X-Id"]
        answer = transaction["response"]["headers"]
        assert (answer["X-Id"], answer["X-Peer-Port"]) == (name, str(client_port(transaction)))
        number = int(name.rpartition("-")[2])
        assert body_of(transaction["response"]) == body_for(f"answer {name}", asked_size(number))
        assert body_of(transaction["request"]) == (body_for(name, asked_size(number)) if number % 3 else b"")
    compare_ends(transactions)


@pytest.mark.parametrize("server", ["aiohttp", "uvicorn"])
def test_every_request_of_asyncio_has_the_addresses_that_the_server_saw(certificate: Path, server: str) -> None:
    with Capture("--ring-size", "128MB") as capture, both_ends(server, certificate) as client:
        go_on(client)
    opening = {f"{server}-open-{number}" for number in range(CONNECTIONS)}
    check(capture.transactions, opening | {f"{server}-{number}" for number in range(COUNT)})
    assert capture.of("loss") == []


def test_connections_open_before_capture_have_their_addresses_too(certificate: Path) -> None:
    with both_ends("aiohttp", certificate) as client, Capture("--ring-size", "128MB") as capture:
        go_on(client)
    check(capture.transactions, {f"aiohttp-{number}" for number in range(COUNT)})
    assert capture.of("loss") == []

"""Connections that are open, and in use, when capture begins."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import compare_ends, describe, expect
from tests.live.program import Capture, Fields, is_server, until
from tests.live.servers import Recorder, Seen, recorder

pytestmark = pytest.mark.live


class User(threading.Thread):
    """Asks on one kept connection again and again, until told to stop."""

    def __init__(self, server: Recorder, certificate: Path, name: str) -> None:
        super().__init__(name=name)
        context = ssl.create_default_context(cafile=certificate)
        host, port = "127.0.0.1", server.server_port
        encrypted = server.url.startswith("https")
        self.connection = (
            http.client.HTTPSConnection(host, port, context=context) if encrypted else http.client.HTTPConnection(host, port)
        )
        self.go_on = True
        self.asked = 0
        self.pause = 0.0

    def ask(self) -> None:
        name = f"{self.name}-{self.asked}"
        self.asked += 1
        method, body = ("POST", name.encode() * 50) if self.asked % 3 else ("GET", None)
        size = (7, 30_000, 0)[self.asked % 3]
        self.connection.request(method, f"/{name}?size={size}&chunked={self.asked % 2}", body, {"X-Id": name})
        assert self.connection.getresponse().read() is not None

    def run(self) -> None:
        while self.go_on:
            self.ask()
            time.sleep(self.pause)


@contextmanager
def eight_users(certificate: Path) -> Iterator[tuple[list[Recorder], list[User]]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(recorder()), stack.enter_context(recorder(certificate))]
        users = [User(servers[n % 2], certificate, f"user{n}") for n in range(8)]
        for user in users:
            user.ask()
        yield servers, users
        for user in users:
            if user.is_alive():
                user.go_on = False
                user.join()
            user.connection.close()


def compare(transactions: list[Fields], record: dict[str, Seen], missed: set[str]) -> None:
    """See that all of `record` was captured at both ends, but for those `missed`: whatever is incomplete belongs to them."""
    halves = [transaction for transaction in transactions if "incomplete" in transaction]
    for half in halves:
        assert set(half["incomplete"]) <= {
            "attached_mid_connection",
            "response_lost",
            "response_body_lost",
            "request_body_lost",
        }
        assert {half[side].get("headers", {}).get("X-Id") for side in ("request", "response")} - {None} <= missed
    whole = [transaction for transaction in transactions if "incomplete" not in transaction]
    for server_side in (False, True):
        side = [describe(transaction) for transaction in whole if is_server(transaction) == server_side]
        assert len({seen.id for seen in side}) == len(side)
        assert all(seen == record[seen.id] for seen in side)
        assert {seen.id for seen in side} >= set(record) - missed
    compare_ends([transaction for transaction in whole if transaction["request"]["headers"]["X-Id"] not in missed])


def record_of(servers: list[Recorder]) -> dict[str, Seen]:
    return {seen.id: expect(seen) for server in servers for seen in server.seen}


def test_eight_idle_connections_are_captured_from_the_next_request_on(certificate: Path) -> None:
    with eight_users(certificate) as (servers, users):
        with Capture() as capture:
            for n in range(COUNT):
                users[n % 8].ask()
        record = record_of(servers)
    # A server that waits inside SSL_read when the probes are set is seen from its answer on.
    waited = {f"user{n}-1" for n in range(1, 8, 2)}
    compare(capture.transactions, {name: seen for name, seen in record.items() if not name.endswith("-0")}, waited)
    assert capture.of("loss") == []


def test_eight_busy_connections_are_captured_from_their_next_request_on_and_nothing_is_mixed_up(certificate: Path) -> None:
    with eight_users(certificate) as (servers, users):
        for user in users:
            user.pause = 0.02
            user.start()
        time.sleep(0.2)
        with Capture() as capture:
            begun = {user.name: user.asked for user in users}
            until(lambda: all(user.asked > begun[user.name] + COUNT // 8 + 1 for user in users), "the users stand still")
            for user in users:
                user.go_on = False
                user.join()
        record = record_of(servers)
    # Two of each: one under way when the probes were set, and one that its server already waited for inside SSL_read.
    captured = {name: seen for name, seen in record.items() if int(name.partition("-")[2]) >= begun[name.partition("-")[0]]}
    early = set(record) - set(captured) | {f"{name}-{number + more}" for name, number in begun.items() for more in (0, 1)}
    compare(capture.transactions, record | captured, early)
    assert len(captured) > COUNT
    assert capture.of("loss") == []

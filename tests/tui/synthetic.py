"""Transactions and a feed made up for the tests of the screen; also a program: `python -m tests.tui.synthetic RATE`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qtap.flow.log import TransactionLog
from qtap.flow.state import EngineState
from qtap.model import Connection, Container, Endpoint, Message, Process, Transaction
from qtap_tui.app import run

START = 1_750_000_000_123_000_000
"""2025-06-15 15:06:40.123 UTC."""
MS = 1_000_000
CURL = Process(
    pid=4242, exe="/usr/bin/curl", comm="curl", args=["curl", "-s", "https://api.example.com/v1/orders"], ppid=4000, uid=1000,
    user="deploy", started_at=START - 5000 * MS,
)  # fmt: skip
NGINX = Process(
    pid=77, exe="/usr/sbin/nginx", comm="nginx", args=["nginx: worker process"], ppid=1, uid=33, user="www-data",
    container=Container(id="0123456789ab", name="web", image="nginx:1.27", labels={"tier": "front"}),
)  # fmt: skip
PYTHON = Process(pid=990, exe="/usr/bin/python3.11", comm="python3", uid=0, user="root")
JSON = b'{"id":17,"name":"caf\xc3\xa9","tags":["a","b"],"price":12.50,"paid":true,"note":null}'


def transaction(
    number: int = 0,
    *,
    method: str = "GET",
    target: str = "/v1/orders?page=2",
    host: str = "api.example.com",
    status: int = 200,
    process: Process = CURL,
    server: bool = False,
    tls: bool = True,
    body: bytes = JSON,
    headers: bytes = b"Content-Type: application/json\r\n",
    request_headers: bytes = b"Accept: */*\r\nUser-Agent: curl/8.5\r\n",
    request_body: bytes = b"",
    took: int = 12 * MS,
    remote: str = "93.184.216.34",
    finished: bool = True,
    peer: str = "",
    incomplete: tuple[str, ...] = (),
    protocol: str = "http1",
) -> Transaction:
    """Make one transaction; `status=0` is one without a response."""
    began = START + number * 1000 * MS
    connection = Connection(
        id=f"c{number:019}", process=process, local=Endpoint("10.0.0.5", 40000 + number % 20000), remote=Endpoint(remote, 443),
        server=server, tls=tls, tls_probe="openssl" if tls else "", sni=host if tls else "", opened_at=began - 8 * MS,
    )  # fmt: skip
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n".encode("latin-1", "replace") + request_headers + b"\r\n"
    request = Message(
        head=head, body=request_body, body_size=len(request_body), wire_size=len(head) + len(request_body), first_at=began,
        last_at=began + 1 * MS, complete=True,
    )  # fmt: skip
    response = Message()
    if status:
        phrase = {200: "OK", 302: "Found", 404: "Not Found", 503: "Service Unavailable"}.get(status, "Whatever")
        response_head = f"HTTP/1.1 {status} {phrase}\r\n".encode() + headers + b"\r\n"
        response = Message(
            head=response_head, body=body, body_size=len(body), wire_size=len(response_head) + len(body),
            first_at=began + took * 3 // 4, last_at=began + took, complete=finished,
        )  # fmt: skip
    return Transaction(
        id=f"t{number:019}", connection=connection, method=method, target=target, status=status, request=request,
        response=response, finished=finished, host=host, peer=peer, incomplete=incomplete, protocol=protocol,
    )  # fmt: skip


def mixture(number: int) -> Transaction:  # noqa: PLR0911 - one return a kind
    """Make row `number` of a stream in which everything occurs."""
    kind = number % 7
    if kind == 1:
        return transaction(number, method="POST", target="/login", status=302, body=b"", request_body=b"user=a&password=b",
                           process=PYTHON, host="auth.internal", remote="10.1.2.3", took=3 * MS)  # fmt: skip
    if kind == 2:
        return transaction(number, status=404, target="/missing/" + "x" * 60, tls=False, took=700_000)
    if kind == 3:
        return transaction(number, process=NGINX, server=True, target="/static/app.js", body=b"let a = 1\n" * 900,
                           headers=b"Content-Type: text/javascript\r\n", peer=f"t{number + 1:019}")  # fmt: skip
    if kind == 4:
        return transaction(number, target="/static/app.js", body=b"let a = 1\n" * 900, remote="127.0.0.1",
                           headers=b"Content-Type: text/javascript\r\n", peer=f"t{number - 1:019}")  # fmt: skip
    if kind == 5:
        return transaction(number, status=503, method="DELETE", target="/v1/orders/17", took=2345 * MS,
                           incomplete=("response_body_cut",))  # fmt: skip
    if kind == 6:
        return transaction(number, status=0, target="/events", finished=False)
    return transaction(number)


@dataclass
class SyntheticFeed:
    """An engine that does what a test says."""

    log: TransactionLog = field(default_factory=lambda: TransactionLog(1 << 62))
    engine: EngineState = field(
        default_factory=lambda: EngineState("live", "112 probes in 3 libraries", memory_limit=256 << 20, source="web1")
    )
    cleared: int = 0

    def state(self) -> EngineState:
        """Give the state that the test set."""
        return self.engine

    def clear(self) -> None:
        """Clear at once."""
        self.cleared += 1
        self.log.clear()

    def fill(self, count: int, make: Callable[[int], Transaction] = mixture) -> SyntheticFeed:
        """Append `count` rows."""
        for number in range(self.log.end, self.log.end + count):
            self.log.add(make(number))
        return self


def _produce(feed: SyntheticFeed, rate: int) -> None:
    """Append `rate` transactions a second, as the reader's thread does."""
    began, made = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate)
        for number in range(made, due):
            row = mixture(number)
            shift = time.time_ns() - row.request.first_at
            for message in (row.request, row.response):
                message.first_at += shift if message.first_at else 0
                message.last_at += shift if message.last_at else 0
            row.finished = True
            feed.log.add(row)
        made = due
        feed.engine = EngineState("live", "synthetic", memory_used=feed.log.used, memory_limit=feed.log.limit, source="here")
        time.sleep(0.005)


def main(rate: int) -> int:
    """Run the screen on made-up traffic."""
    sys.setswitchinterval(0.0005)
    feed = SyntheticFeed(log=TransactionLog(256 << 20))
    producer = threading.Thread(target=_produce, args=(feed, rate), daemon=True)
    return run(feed, capture_title="made-up traffic", on_ready=producer.start)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

"""nginx and curl: 211 requests each way, by nginx's own access log; bodies that it sends from files only the kernel sees."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import compare_ends
from tests.live.nginx import SIZES, Nginx, nginx
from tests.live.program import Capture, Fields, body_of, client_port, is_server, until
from tests.live.servers import body_for, digest

pytestmark = pytest.mark.live

FILES = {f"/{size}": digest(body_for(f"file of {size}", size)) for size in SIZES}
CONTENT = FILES | {"/gone": digest(b"gone for good\n")}
OPTIONS = {"plain": (), "tls-1.2": ("--tls-max", "1.2"), "tls-1.3": ("--tlsv1.3",)}


def ask(url: str, certificate: Path, *options: str) -> None:
    """Ask 211 times, by several processes that keep their connections; large files seldom."""
    paths = ["/1", "/1000", "/20000", "/1000", "/gone", "/300000", "/1"]
    wanted = [paths[n % 7] if n % 70 else "/3000000" for n in range(COUNT)]
    common = ["--silent", "--show-error", "--http1.1", "--cacert", str(certificate), "--output", "/dev/null", *options]
    for first in range(0, COUNT, 40):
        arguments: list[str] = []
        for n in range(first, min(first + 40, COUNT)):
            head = ["--head"] if n % 9 == 4 else []
            arguments += ["--next", *common, *head, "--header", f"X-Id: {n}", f"{url}{wanted[n]}?n={n}"]
        subprocess.run(["curl", "--disable", *arguments[1:]], check=True)


def exchange_of(transaction: Fields) -> tuple[object, ...]:
    request = transaction["request"]
    target = "/" + request["url"].split("/", 3)[3]
    headers = request["headers"]
    status = transaction["response"]["status"]
    return client_port(transaction), request["method"], target, status, headers["X-Id"], headers["User-Agent"]


def check(transactions: list[Fields], server: Nginx) -> None:
    until(lambda: len(server.record) >= COUNT, "nginx has not written its log")
    record = Counter(
        tuple(seen[name] for name in ("port", "method", "target", "status", "id", "agent")) for seen in server.record
    )
    assert record.total() == COUNT
    for server_side in (False, True):
        side = [transaction for transaction in transactions if is_server(transaction) == server_side]
        assert Counter(exchange_of(transaction) for transaction in side) == record
        for transaction in side:
            assert transaction["response"]["headers"]["X-Peer-Port"] == str(client_port(transaction))
            check_body(transaction)
    compare_ends(transactions)


def check_body(transaction: Fields) -> None:
    request, response = transaction["request"], transaction["response"]
    if request["method"] == "HEAD":
        assert body_of(response) == b""
    else:
        assert digest(body_of(response)) == CONTENT[request["path"]]
    assert "incomplete" not in transaction


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_request_to_nginx_is_captured_as_its_log_has_it(certificate: Path, tmp_path: Path, kind: str) -> None:
    with (
        nginx(tmp_path / "nginx", certificate, sendfile=False) as server,
        Capture("--http-buffer-size", "4MB", "--ring-size", "128MB") as capture,
    ):
        ask(server.http if kind == "plain" else server.https, certificate, *OPTIONS[kind])
        until(lambda: len(server.record) >= COUNT, "nginx has not written its log")
    check(capture.transactions, server)
    assert capture.of("loss") == []


def test_bodies_that_nginx_sends_from_files_are_read_from_them(certificate: Path, tmp_path: Path) -> None:
    with (
        nginx(tmp_path / "nginx", certificate, sendfile=True) as server,
        Capture("--http-buffer-size", "4MB", "--ring-size", "128MB") as capture,
    ):
        ask(server.http, certificate)
        until(lambda: len(server.record) >= COUNT, "nginx has not written its log")
    check(capture.transactions, server)
    assert capture.of("loss") == []


@pytest.mark.parametrize("sendfile", [False, True])
def test_a_body_beyond_the_limit_is_cut_there_and_the_rest_counted(
    certificate: Path, tmp_path: Path, *, sendfile: bool
) -> None:
    with nginx(tmp_path / "nginx", certificate, sendfile=sendfile) as server, Capture("--http-buffer-size", "64KB") as capture:
        for url in (server.http, server.https):
            subprocess.run(["curl", "--silent", "--cacert", certificate, "--output", "/dev/null", f"{url}/3000000"], check=True)
        found = capture.wait_for(4, lambda _: True)
    content = body_for("file of 3000000", 3_000_000)
    for transaction in found:
        assert transaction["incomplete"] == ["response_body_cut"]
        assert body_of(transaction["response"]) == content[:65_536]
        assert transaction["response"]["body_truncated"] == 3_000_000 - 65_536

"""What the levels below full leave out, and that nothing else changes: sizes, methods, statuses, headers stay true."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import PROGRAM, Capture, Fields, is_server
from tests.live.wires import port_of, say, wire

pytestmark = pytest.mark.live

SIZES = (0, 1, 1_000, 20_000, 300_000)


def post(number: int, size: int) -> bytes:
    return b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (number, size) + b"q" * size


def answer(number: int, size: int) -> bytes:
    return b"HTTP/1.1 %d OK\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n" % (210 + number, number, size) + b"a" * size


def chunked(number: int, size: int) -> list[bytes]:
    """Give the calls of an answer in chunks, as servers make them."""
    head = b"HTTP/1.1 %d OK\r\nX-Number: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % (210 + number, number)
    pieces = [min(9000, size - start) for start in range(0, size, 9000)]
    return [head, *(b"%x\r\n" % piece + b"a" * piece + b"\r\n" for piece in pieces), b"0\r\n\r\n"]


@pytest.fixture(scope="module", params=["summary", "headers"])
def limited(request: pytest.FixtureRequest) -> Iterator[tuple[str, Capture]]:
    with Capture("--level", request.param) as capture:
        yield request.param, capture
    assert capture.of("loss") == []


def check(seen: Fields, level: str, number: int, asked: int, answered: int) -> None:
    """See that one transaction says what the level allows, and the truth."""
    request, response = seen["request"], seen["response"]
    assert "incomplete" not in seen
    assert (request["method"], request["path"], response["status"]) == ("POST", f"/{number}", 210 + number)
    metadata = seen["metadata"]
    sizes = metadata["bytes_sent"], metadata["bytes_received"]
    assert (sizes[::-1] if is_server(seen) else sizes) == (asked, answered)
    assert metadata["peer_request_id"]
    for message in (request, response):
        assert not {"body", "body_truncated", "trailers"} & set(message)
        assert ("headers" in message) == (level == "headers")
    if level == "headers":
        assert response["headers"]["X-Number"] == str(number)


@pytest.mark.parametrize("encrypted", [False, True])
def test_bodies_of_known_length_stay_in_the_kernel_and_are_counted(
    limited: tuple[str, Capture], certificate: Path, encrypted: bool
) -> None:
    level, capture = limited
    pairs = [(asked, answered) for asked in SIZES for answered in SIZES]
    with wire(pem=certificate if encrypted else None) as (client, server):
        for number, (asked, answered) in enumerate(pairs):
            say(client, server, post(number, asked))
            say(server, client, answer(number, answered))
        port = port_of(client)
    for side in capture.both_ends(port, len(pairs)):
        for number, seen in enumerate(side):
            asked, answered = pairs[number]
            check(seen, level, number, len(post(number, asked)), len(answer(number, answered)))


@pytest.mark.parametrize("encrypted", [False, True])
def test_bodies_in_chunks_stay_in_the_kernel_and_are_counted(
    limited: tuple[str, Capture], certificate: Path, encrypted: bool
) -> None:
    level, capture = limited
    with wire(pem=certificate if encrypted else None) as (client, server):
        for number, size in enumerate(SIZES):
            say(client, server, post(number, 10))
            for call in chunked(number, size):
                say(server, client, call)
        port = port_of(client)
    for side in capture.both_ends(port, len(SIZES)):
        for number, seen in enumerate(side):
            wanted = len(b"".join(chunked(number, SIZES[number])))
            check(seen, level, number, len(post(number, 10)), wanted)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_body_that_ends_with_the_connection_is_counted(
    limited: tuple[str, Capture], certificate: Path, encrypted: bool
) -> None:
    level, capture = limited
    text = b"HTTP/1.0 210 OK\r\nX-Number: 0\r\n\r\n" + b"b" * 50_000
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, post(0, 0))
        say(server, client, text)
        server.close()
        port = port_of(client)
    for (seen,) in capture.both_ends(port):
        check(seen, level, 0, len(post(0, 0)), len(text))


def test_a_body_that_looks_like_a_request_is_still_a_body(limited: tuple[str, Capture]) -> None:
    level, capture = limited
    nested = post(7, 0) * 3
    asked = b"POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * len(nested))
    with wire() as (client, server):
        say(client, server, asked)
        say(client, server, nested)
        say(client, server, nested)
        say(server, client, answer(0, 3))
        port = port_of(client)
    for (seen,) in capture.both_ends(port):
        check(seen, level, 0, len(asked) + 2 * len(nested), len(answer(0, 3)))


@pytest.mark.parametrize("level", ["summary", "headers", "full"])
def test_a_recording_replayed_prints_what_live_capture_printed(tmp_path: Path, certificate: Path, level: str) -> None:
    file = tmp_path / "recorded.jsonl.zst"
    with Capture("--level", level, "--record", file) as capture:
        for pem in (None, certificate):
            with wire(pem=pem) as (client, server):
                for number, size in enumerate(SIZES):
                    say(client, server, post(number, size))
                    say(server, client, answer(number, size))
    done = subprocess.run([PROGRAM, "--replay", file, "--no-ui", "--level", level], capture_output=True, check=True)
    replayed = [json.loads(line) for line in done.stdout.splitlines()]
    for kind in ("http_transaction", "connection", "process"):
        assert [event for event in replayed if event["event"] == kind] == [
            event for event in capture.events if event["event"] == kind
        ]
    assert len(capture.transactions) == 4 * len(SIZES)

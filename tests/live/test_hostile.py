"""Bytes that mean harm, over real sockets: the lines stay valid JSON that no terminal obeys, and capture goes on."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.live.program import PROGRAM, Capture, body_of, client_port
from tests.live.wires import port_of, read, say, wire

pytestmark = pytest.mark.live

HARM = {
    "escapes": b"\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1m\x7f\x08",
    "escapes in UTF-8": "\x9b31m\x9d0;owned\x9c\u202eevil\u2066".encode(),
    "markup": b"[bold red]loud[/] [link=file:///etc/passwd]x[/link] {{7*7}} %s %n",
    "no UTF-8": b"\xff\xfe\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80",
    "NUL": b"a\0b",
}
STARTS = [b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"POST ", b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_harmful_bytes_in_every_place_come_out_as_data(capture: Capture, harm: bytes) -> None:
    head = b"POST /" + harm + b"?q=" + harm + b" HTTP/1.1\r\nHost: h" + harm + b"\r\nX-Harm: " + harm + b"\r\n"
    with wire() as (client, server):
        say(client, server, head + b"N" + harm + b": v\r\nContent-Length: %d\r\n\r\n" % len(harm) + harm)
        say(server, client, b"HTTP/1.1 200 " + harm + b"\r\nX-Harm: " + harm + b"\r\n")
        say(server, client, b"Content-Length: %d\r\n\r\n" % len(harm) + harm)
        port = port_of(client)
    for (seen,) in capture.both_ends(port):
        assert "incomplete" not in seen
        assert body_of(seen["request"]) == body_of(seen["response"]) == harm
        for message in (seen["request"], seen["response"]):
            assert message["headers"]["X-Harm"] == text_of(harm)


def text_of(raw: bytes) -> str:
    try:
        return raw.decode().strip(" \t")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def test_lines_hold_no_byte_that_a_terminal_would_obey() -> None:
    command: list[str | Path] = [PROGRAM, "--no-ui", "--pid", str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stderr is not None
        assert b"ready" in program.stderr.readline()
        for harm in HARM.values():
            with wire() as (client, server):
                say(client, server, b"GET /" + harm + b" HTTP/1.1\r\nHost: " + harm + b"\r\nX: " + harm + b"\r\n\r\n")
                say(server, client, OK)
        program.terminate()
        lines, log = program.communicate()
    assert lines.count(b"http_transaction") == 2 * len(HARM)
    controls = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n")}
    assert not controls & {ord(character) for character in (lines + log).decode()}


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_header_line_of_one_megabyte_does_no_harm(capture: Capture, certificate: Path, encrypted: bool) -> None:
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, b"GET /long HTTP/1.1\r\nX-Id: long\r\nX-Long: " + b"v" * 1_000_000 + b"\r\n\r\n")
        say(server, client, b"HTTP/1.1 200 OK\r\nX-Long: " + b"w" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n")
        port = port_of(client)
    for (seen,) in capture.both_ends(port):
        assert len(seen["request"]["headers"]["X-Long"]) == len(seen["response"]["headers"]["X-Long"]) == 1_000_000


def test_heads_without_end_and_noise_are_passed_over(capture: Capture) -> None:
    chance = random.Random(7)  # noqa: S311 - noise, and the same each time
    for number in range(40):
        with wire() as (client, server):
            say(client, server, STARTS[number % 6] + chance.randbytes(chance.randrange(1, 70_000)))
            say(server, client, STARTS[(number + 1) % 6] + chance.randbytes(chance.randrange(1, 70_000)))
    with wire() as (client, server):
        say(client, server, b"GET / HTTP/1.1\r\nX-Endless: " + b"e" * 3_000_000)
    with wire() as (client, server):
        say(client, server, b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        server.sendall(OK)
        read(client, len(OK))
        port = port_of(client)
    assert [seen["request"]["path"] for side in capture.both_ends(port) for seen in side] == ["/after", "/after"]
    assert [seen for seen in capture.transactions if client_port(seen) == 0] == []

"""Each command is run by a real bash and a real curl; a server keeps the bytes that arrive."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qtap.exports import to_curl
from qtap.exports.shell import printf_word, quote
from qtap.model import Endpoint, Transaction
from tests.exports.samples import connection, message, transaction

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Server:
    """Answers one request at a time and keeps (start line, header lines, body)."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.got: list[tuple[bytes, list[bytes], bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                self.got.append(self._read(stream))
                client.sendall(ANSWER)

    @staticmethod
    def _read(stream: BinaryIO) -> tuple[bytes, list[bytes], bytes]:
        start, lines = stream.readline().rstrip(b"\r\n"), []
        while line := stream.readline().rstrip(b"\r\n"):
            lines.append(line)
        lengths = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
        if any(line.lower() == b"transfer-encoding: chunked" for line in lines):
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size + 2)[:-2]
            stream.readline()
            return start, lines, body
        return start, lines, stream.read(lengths[0]) if lengths else b""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.socket.close()


def captured(server: Server, start: bytes, lines: list[bytes], body: bytes = b"", host: str = "") -> Transaction:
    """Give the transaction that a capture of this request to `server` would hold."""
    seen = transaction(
        connection=connection(tls=False, sni="", remote=Endpoint("127.0.0.1", server.port)),
        host=host or f"127.0.0.1:{server.port}",
    )
    method, _, rest = start.decode("latin-1").partition(" ")
    seen.method, seen.target = method, rest.rpartition(" ")[0]
    seen.request = message(b"\r\n".join([start, *lines, b"", b""]), body)
    return seen


def short(value: bytes) -> str:
    return ascii(value[:20])


def run(command: str, directory: Path) -> None:
    script = directory / "command.sh"
    script.write_text(command + "\n")
    subprocess.run(
        ["bash", str(script)],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "no_proxy": "*"},
        capture_output=True,
        check=True,
        timeout=30,
    )


def replayed(server: Server, seen: Transaction, directory: Path) -> tuple[bytes, list[bytes], bytes]:
    before = len(server.got)
    command = to_curl(seen)
    assert all(text.isprintable() for text in command.split("\n"))
    run(command, directory)
    assert len(server.got) == before + 1
    assert [path.name for path in directory.iterdir()] == ["command.sh"]
    return server.got[-1]


def host(server: Server) -> bytes:
    return b"Host: 127.0.0.1:%d" % server.port


def test_a_plain_request_arrives_as_it_was_captured(server: Server, tmp_path: Path) -> None:
    lines = [host(server), b'User-Agent: Mozilla/5.0 (it\'s "me")', b"accept: */*", b"X-Two: 1", b"X-Two: 2", b"X-Empty:"]
    start, sent, body = replayed(server, captured(server, b"GET /a?b=c%20d&e HTTP/1.1", lines), tmp_path)
    assert start == b"GET /a?b=c%20d&e HTTP/1.1"
    assert sorted(sent) == sorted(lines)
    assert body == b""


HOSTILE = [
    b"'; touch pwned; '", b"$(touch pwned)", b"`touch pwned`", b'"$HOME" && touch pwned', b"!! !touch",
    b"\x1b]0;title\x07\x1b[2J",
    b"@/etc/passwd", b"\\x41\\n%s%%", "zażółć \u202e gęślą".encode(), b"\xff\xfe\x80", b"a\tb", b"-K /etc/passwd", b"#",
    b"{a,b}[1-3]",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=short)
def test_hostile_header_values_arrive_and_do_nothing_else(server: Server, tmp_path: Path, value: bytes) -> None:
    lines = [host(server), b"Accept: */*", b"User-Agent: u", b"X-Hostile: " + value]
    _, sent, _ = replayed(server, captured(server, b"GET / HTTP/1.1", lines), tmp_path)
    assert sorted(sent) == sorted(lines)


@pytest.mark.parametrize(
    "body",
    [
        *HOSTILE, b"{\n  \"a\": 'b'\n}\n", b"\r\n", b"\0", b"-n\0",
        b"a\0b'%d\\0!`$(touch pwned)", bytes(range(256)) * 5, b"x" * 300_000,
        b"'" * 150_000, b"\xff" * 2_000,
    ],
    ids=short,
)  # fmt: skip
def test_hostile_bodies_arrive_byte_for_byte(server: Server, tmp_path: Path, body: bytes) -> None:
    lines = [host(server), b"Accept: */*", b"User-Agent: u", b"Content-Length: %d" % len(body)]
    start, sent, arrived = replayed(server, captured(server, b"POST /in HTTP/1.1", lines, body), tmp_path)
    assert start == b"POST /in HTTP/1.1"
    assert arrived == body
    assert sorted(sent) == sorted(lines)


@pytest.mark.parametrize(
    "target",
    [
        b"/a/../b/./c", b"/%2e%2E/x", b"/[1-3]{a,b}", b"/a#b", b"/\xc5\xbc?\xff", b"*", b"http://other.example/x", b"//double",
        b"/?",
        b"/'$(touch pwned)`touch pwned`", b"/\x1b[31m", b"/a b", b"relative", b"/a?x=/../y",
    ],
    ids=short,
)  # fmt: skip
def test_a_target_is_sent_as_it_was_whatever_curl_would_make_of_it(server: Server, tmp_path: Path, target: bytes) -> None:
    start, _, _ = replayed(server, captured(server, b"GET " + target + b" HTTP/1.1", [host(server)]), tmp_path)
    assert start == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("start", "body"),
    [
        (b"HEAD /h HTTP/1.1", b""), (b"DELETE /d HTTP/1.1", b""), (b"POST /p HTTP/1.1", b""), (b"GET /g HTTP/1.1", b"body"),
        (b"PUT /p HTTP/1.1", b"body"), (b"get /lower HTTP/1.1", b""), (b"$HOME /x HTTP/1.1", b""), (b"GET /old HTTP/1.0", b""),
    ],
)  # fmt: skip
def test_the_method_and_version_are_sent_as_they_were(server: Server, tmp_path: Path, start: bytes, body: bytes) -> None:
    sent_start, _, sent_body = replayed(server, captured(server, start, [host(server)], body), tmp_path)
    assert (sent_start, sent_body) == (start, body)


def test_what_curl_adds_by_itself_is_switched_off(server: Server, tmp_path: Path) -> None:
    body = b"x" * 2_000_000
    seen = captured(server, b"POST / HTTP/1.1", [b"Content-Length: 2000000"], body)
    _, sent, arrived = replayed(server, seen, tmp_path)
    assert sent == [b"Content-Length: 2000000"]
    assert arrived == body


def test_a_chunked_body_is_sent_in_chunks_again(server: Server, tmp_path: Path) -> None:
    lines = [host(server), b"Transfer-Encoding: chunked"]
    _, sent, arrived = replayed(server, captured(server, b"POST / HTTP/1.1", lines, b"abc"), tmp_path)
    assert sorted(sent) == sorted(lines)
    assert arrived == b"abc"


def test_a_host_that_is_no_host_is_sent_to_the_address_it_was_sent_to(server: Server, tmp_path: Path) -> None:
    hostile = "evil.example/$(touch pwned)\x1b["
    lines = [b"Host: " + hostile.encode()]
    _, sent, _ = replayed(server, captured(server, b"GET / HTTP/1.1", lines, host=hostile), tmp_path)
    assert sent == lines


def test_what_cannot_be_sent_is_named_after_the_command(server: Server, tmp_path: Path) -> None:
    lines = [host(server), b"@/etc/passwd: x", b"no colon", b"X-Nul: a\0b", b"X\x1b[31m: y"]
    seen = captured(server, b"POST / HTTP/1.1", lines, b"abc")
    seen.request.body_size = 10
    _, sent, _ = replayed(server, seen, tmp_path)
    assert sent == [host(server), b"Content-Length: 3"]
    assert to_curl(seen).split("\n")[-5:] == [
        "# the header '@/etc/passwd' cannot be sent by curl",
        "# the header 'no colon' cannot be sent by curl",
        "# the header 'X-Nul' cannot be sent by curl",
        "# the header 'X\\x1b[31m' cannot be sent by curl",
        "# 7 bytes of the body were not captured",
    ]


def test_an_encoded_response_is_decoded_for_the_reader() -> None:
    assert "--compressed" in to_curl(transaction(b"GET / HTTP/1.1\r\nHost: httpbin.org\r\nAccept-Encoding: gzip\r\n\r\n"))


def test_a_common_request_reads_like_one_typed_by_hand() -> None:
    head = (
        b"POST /a?b=c HTTP/1.1\r\nHost: httpbin.org\r\nAccept: */*\r\nUser-Agent: u\r\nContent-Type: application/json\r\n\r\n"
    )
    assert to_curl(transaction(head, b'{"a":1}')) == (
        "curl \\\n  'https://httpbin.org/a?b=c' \\\n  -H 'Accept: */*' \\\n  -H 'User-Agent: u' \\\n"
        "  -H 'Content-Type: application/json' \\\n  --data-raw '{\"a\":1}'"
    )


def test_a_request_that_was_never_seen_is_said_to_be_missing() -> None:
    assert "# the method is not one that can be sent" in to_curl(Transaction("id", connection(), host="httpbin.org"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200))
@example(b"-\0")
@example(b"--help")
def test_bash_gives_back_any_bytes_that_were_quoted(tmp_path: Path, raw: bytes) -> None:
    quoted, printed = quote(raw.replace(b"\0", b"")), printf_word(raw)
    script = tmp_path / "words"
    script.write_text(f"printf %s {quoted}\nprintf {printed}\n")
    done = subprocess.run(["bash", str(script)], capture_output=True, check=True)
    assert done.stdout == raw.replace(b"\0", b"") + raw
    assert re.fullmatch(r"[ -~]*", printed)
    assert quoted.isprintable()


def test_http2_asks_for_http2_and_leaves_its_pseudo_header_fields_to_curl() -> None:
    pseudo = b":method: GET\r\n:scheme: https\r\n:authority: shop:81\r\n:path: /a\r\n"
    head = b"GET /a HTTP/2\r\n" + pseudo + b"user-agent: x\r\naccept: */*\r\n\r\n"
    given = transaction(head, protocol="http2", host="shop:81")
    assert to_curl(given) == "curl \\\n  https://shop:81/a \\\n  --http2 \\\n  -H 'user-agent: x' \\\n  -H 'accept: */*'"
    given.connection.tls = False
    assert "--http2-prior-knowledge" in to_curl(given)


def test_what_http2_did_not_tell_is_said_after_the_command() -> None:
    head = "‹unknown› ‹unknown› HTTP/2\r\n:scheme: https\r\n‹unknown #1›: \r\n\r\n".encode()
    command = to_curl(transaction(head, protocol="http2", method="", target="", host="shop"))
    assert "the target is not known" in command
    assert "a header was not captured" in command
    assert "‹" not in command.partition("#")[0]

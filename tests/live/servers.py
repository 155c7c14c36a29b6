"""A web server that writes down what it saw and what it said, and answers as the request's query asks."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.live.wires import server_context

HeaderLines = list[tuple[str, str]]


class Seen(msgspec.Struct):
    """One exchange as the server knows it."""

    id: str
    port: int
    """The client's."""
    method: str
    target: str
    request_headers: HeaderLines
    request_body: str
    """SHA-256."""
    at: float
    """When the answer was on its way: monotonic, seconds; 0 before."""
    status: int = 0
    response_headers: HeaderLines = []
    response_body: str = ""
    response_trailers: HeaderLines = []
    """Of them only those that must be there."""


def body_for(ident: str, size: int) -> bytes:
    """Make a body that no other request or response of a test has."""
    unit = hashlib.sha256(ident.encode()).digest()
    return (unit * (size // len(unit) + 1))[:size]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers `?size=N&status=N&chunked=1` and repeats the request's X-Id; without a size, its body too."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Recorder

    def do_GET(self) -> None:
        body = self._read_body()
        ident = self.headers.get("X-Id", "")
        asked = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items() if values[0].isdigit()}
        seen = Seen(ident, self.client_address[1], self.command, self.path, self.headers.items(), digest(body), 0.0)
        self._said: HeaderLines = seen.response_headers
        answer = body_for(f"answer {ident}", asked["size"]) if "size" in asked else body
        seen.status = asked.get("status", 200)
        seen.response_body = digest(b"" if self.command == "HEAD" else answer)
        self.server.seen.append(seen)
        self._answer(ident, seen.status, answer, chunked=bool(asked.get("chunked")))
        seen.at = time.monotonic()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_header(self, keyword: str, value: str) -> None:
        self._said.append((keyword, value))
        super().send_header(keyword, value)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        pass

    def _answer(self, ident: str, status: int, body: bytes, *, chunked: bool) -> None:
        self.send_response(status)
        self.send_header("X-Id", ident)
        self.send_header("x-PEER-port", str(self.client_address[1]))
        self.send_header("Set-Cookie", f"one={ident}; Path=/")
        self.send_header("set-cookie", "two=2, still two")
        self.send_header("Vary", "Accept")
        self.send_header("VARY", "Cookie")
        self.send_header("Transfer-Encoding", "chunked") if chunked else self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in _chunks(body) if chunked else [body]:
            self.wfile.write(piece)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 9973):
        piece = body[start : start + 9973]
        yield b"%X\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


class Recorder(ThreadingHTTPServer):
    """Listens on a random port of loopback; `seen` is its own record."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        scheme = "https" if certificate else "http"
        if certificate:
            # The handshake is made by the thread of the connection, at its first read.
            self.socket = server_context(certificate).wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's signature
        if not isinstance(sys.exception(), ConnectionError):  # clients are killed, too
            super().handle_error(request, client_address)


@contextmanager
def recorder(certificate: Path | None = None) -> Iterator[Recorder]:
    """Serve in threads of this process."""
    with Recorder(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

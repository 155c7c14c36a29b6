"""HTTP/2 by h2: a server that writes down what it saw and said, and a client that has several streams in flight.

Run as a program, the client: `CLIENT URL CERTIFICATE IDENT`, which asks as `asking` has it.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tests.live.asking import Ask, asks
from tests.live.servers import HeaderLines, Seen, body_for, digest
from tests.live.wires import server_context

TOGETHER = 8
"""Streams in flight."""


class End:
    """One end of a connection: sends bodies as far as the windows allow."""

    def __init__(self, sock: socket.socket, *, is_client: bool) -> None:
        self.sock = sock
        self.h2 = H2Connection(H2Configuration(client_side=is_client, header_encoding="utf-8"))
        self._waiting: dict[int, bytes] = {}
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.flush()

    def flush(self) -> None:
        for stream, rest in list(self._waiting.items()):
            while rest and (room := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)) > 0:
                self.h2.send_data(stream, rest[:room], end_stream=len(rest) <= room)
                rest = rest[room:]
            self._waiting[stream] = rest
            if not rest:
                del self._waiting[stream]
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def send(self, stream: int, headers: HeaderLines, body: bytes) -> None:
        self.h2.send_headers(stream, headers, end_stream=not body)
        if body:
            self._waiting[stream] = body

    def events(self) -> list[Event] | None:
        """Wait for the next ones; None at the end of the connection."""
        data = self.sock.recv(1 << 16)
        if not data:
            return None
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, DataReceived):
                assert event.stream_id is not None
                with suppress(ProtocolError):  # the stream is over
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            if isinstance(event, StreamReset):
                self._waiting.pop(event.stream_id or 0, None)
        return events


class Server:
    """Answers `?size=N&status=N` and repeats the request's x-id; without a size, its body too."""

    def __init__(self, certificate: Path | None) -> None:
        self.seen: list[Seen] = []
        self._context = server_context(certificate) if certificate else None
        if self._context:
            self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, address = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock, address[1]), daemon=True).start()

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        return self._context.wrap_socket(plain, server_side=True) if self._context else plain

    def _serve(self, plain: socket.socket, port: int) -> None:
        with suppress(OSError, ProtocolError), self._wrapped(plain) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end, requests = End(sock, is_client=False), dict[int, tuple[HeaderLines, list[bytes]]]()
            while (events := end.events()) is not None:
                for event in events:
                    if isinstance(event, RequestReceived):
                        requests[event.stream_id or 0] = ([(str(n), str(v)) for n, v in event.headers or []], [])
                    elif isinstance(event, DataReceived):
                        requests[event.stream_id or 0][1].append(event.data or b"")
                    elif isinstance(event, StreamEnded):
                        headers, pieces = requests.pop(event.stream_id or 0)
                        self._answer(end, event.stream_id or 0, port, headers, b"".join(pieces))
                end.flush()

    def _answer(self, end: End, stream: int, port: int, headers: HeaderLines, body: bytes) -> None:
        known = dict(headers)
        asked = {
            name: int(values[0]) for name, values in parse_qs(urlsplit(known[":path"]).query).items() if values[0].isdigit()
        }
        ident, status = known.get("x-id", ""), asked.get("status", 200)
        answer = body_for(f"answer {ident}", asked["size"]) if "size" in asked else body
        said = [
            *((":status", str(status)), ("x-id", ident), ("x-peer-port", str(port)), ("vary", "accept"), ("vary", "cookie")),
            *(("set-cookie", f"one={ident}; path=/"), ("set-cookie", "two=2, still two"), ("content-length", str(len(answer)))),
        ]
        answer = b"" if known[":method"] == "HEAD" else answer
        seen = Seen(ident, port, known[":method"], known[":path"], headers, digest(body), 0.0, status, said, digest(answer))
        self.seen.append(seen)
        end.send(stream, said, answer)


@contextmanager
def http2_server(certificate: Path | None = None) -> Iterator[Server]:
    server = Server(certificate)
    try:
        yield server
    finally:
        server.close()


class Client:
    """Asks on one connection, TOGETHER requests at a time."""

    def __init__(self, url: str, certificate: str) -> None:
        parts = urlsplit(url)
        self._parts = parts
        sock = socket.create_connection((parts.hostname or "", parts.port or 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=certificate)
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
        self._end = End(sock, is_client=True)
        self._open: set[int] = set()

    def ask(self, request: Ask) -> None:
        """Send a request, once there is room for its stream."""
        self._wait(TOGETHER - 1)
        stream = self._end.h2.get_next_available_stream_id()
        headers = [(":method", request.method), (":scheme", self._parts.scheme), (":authority", self._parts.netloc)]
        headers += [(":path", request.path), ("user-agent", "h2")] + [(name.lower(), value) for name, value in request.headers]
        self._end.send(stream, headers, request.body or b"")
        self._open.add(stream)
        self._end.flush()

    def finish(self) -> None:
        """Wait for every response."""
        self._wait(0)

    def close(self) -> None:
        self.finish()
        self._end.sock.close()

    def _wait(self, most: int) -> None:
        while len(self._open) > most:
            events = self._end.events()
            assert events is not None, "the server closed the connection"
            for event in events:
                if isinstance(event, StreamEnded):
                    self._open.discard(event.stream_id or 0)
            self._end.flush()


def run(url: str, certificate: str, ident: str) -> None:
    """Ask all of `asking`, on a new connection where it says so."""
    client: Client | None = None
    for request in asks(ident):
        if client is None or request.new_connection:
            if client is not None:
                client.close()
            client = Client(url, certificate)
        client.ask(request)
    assert client is not None
    client.close()


if __name__ == "__main__":
    run(*sys.argv[1:])

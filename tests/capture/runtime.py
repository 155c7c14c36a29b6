"""Plays a container runtime: a gRPC server (by h2) on a Unix socket, and the messages that it answers with."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

Headers = dict[bytes, bytes]
Answer = Callable[[Headers, bytes], bytes | None]
"""The encoded message for a call's headers and message; None for a call that is not known."""


def field(number: int, value: bytes | str) -> bytes:
    """Encode one length-delimited field of a message."""
    value = value.encode() if isinstance(value, str) else value
    size, length = len(value), bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return (
        bytes((number << 3 & 0x7F | 2,) if number < 16 else (number << 3 & 0x7F | 0x82, number >> 4))
        + bytes((*length, size))
        + value
    )


def pairs(number: int, values: dict[str, str]) -> bytes:
    """Encode a map."""
    return b"".join(field(number, field(1, key) + field(2, value)) for key, value in values.items())


class Runtime:
    """Answers each call by `answer` and remembers its path; or, with `raw`, does that to each connection."""

    def __init__(self, path: Path, answer: Answer | None = None, *, raw: Callable[[socket.socket], None] | None = None) -> None:
        self.path = str(path)
        self.asked: list[str] = []
        self._answer, self._raw = answer, raw
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # the caller had enough
                (self._raw or self._serve)(connection)

    def _serve(self, connection: socket.socket) -> None:
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        h2.initiate_connection()
        h2.ping(b"are you?")
        connection.sendall(h2.data_to_send())
        headers: Headers = {}
        body = b""
        while data := connection.recv(1 << 16):
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = dict(event.headers)
                elif isinstance(event, DataReceived):
                    body += event.data or b""
                elif isinstance(event, StreamEnded):
                    self._reply(h2, event.stream_id, headers, body)
            connection.sendall(h2.data_to_send())

    def _reply(self, h2: H2Connection, stream: int, headers: Headers, body: bytes) -> None:
        assert self._answer
        assert headers[b"content-type"] == b"application/grpc"
        assert body[:5] == b"\0" + (len(body) - 5).to_bytes(4, "big")
        self.asked.append(headers[b":path"].decode())
        answer = self._answer(headers, body[5:])
        said = [(":status", "200"), ("content-type", "application/grpc")]
        if answer is None:
            h2.send_headers(stream, [*said, ("grpc-status", "12")], end_stream=True)
            return
        h2.send_headers(stream, said)
        framed = b"\0" + len(answer).to_bytes(4, "big") + answer
        for at in range(0, len(framed), 16_000):
            h2.send_data(stream, framed[at : at + 16_000], pad_length=at % 7)
        h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)

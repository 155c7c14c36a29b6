"""A WebSocket in a stream of HTTP/2 (RFC 8441), as `tests.live.websocket_ends` has them: hypercorn serves; h2, wsproto ask."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from h2.events import ConnectionTerminated, DataReceived, RemoteSettingsChanged, ResponseReceived, StreamReset
from hypercorn.asyncio import serve
from hypercorn.config import Config
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Message, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from tests.live.http2_ends import End
from tests.live.websocket_ends import COUNT, answer_to, said, spelled

Event = dict[str, Any]


def _tell(what: Event) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def _echo(scope: Any, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]) -> None:  # noqa: ANN401 - ASGI's
    if scope["type"] != "websocket":
        return
    record: list[str] = []
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        message: str | bytes = event["bytes"] if event.get("text") is None else event["text"]
        record.append(spelled(message))
        answer = answer_to(message)
        await send({"type": "websocket.send", "text" if isinstance(answer, str) else "bytes": answer})
    _tell({"seen": record, "version": scope["http_version"]})


async def _serve(certificate: str) -> None:
    listener, config = socket.create_server(("127.0.0.1", 0)), Config()
    config.bind, config.errorlog, config.graceful_timeout, config.shutdown_timeout = (
        [f"fd://{listener.fileno()}"],
        None,
        0.1,
        0.1,
    )
    config.certfile = config.keyfile = certificate or None
    _tell({"port": listener.getsockname()[1]})
    await serve(_echo, config, shutdown_trigger=lambda: asyncio.to_thread(sys.stdin.read))


class _Socket:
    """The client's end: one connection with one stream."""

    def __init__(self, url: str, certificate: str, *, compressed: bool) -> None:
        parts = urlsplit(url)
        sock = socket.create_connection((parts.hostname or "", parts.port or 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
        self._end = End(sock, is_client=True)
        self._deflate = PerMessageDeflate()
        extensions: list[Extension] = [self._deflate] if compressed else []
        self._wait_for(RemoteSettingsChanged)
        self._stream = self._end.h2.get_next_available_stream_id()
        scheme = "https" if certificate else "http"
        headers = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", scheme), (":authority", parts.netloc)]
        headers += [(":path", "/chat?x=1"), ("sec-websocket-version", "13")]
        if compressed:
            headers.append(("sec-websocket-extensions", f"permessage-deflate; {self._deflate.offer()}"))
        self._end.h2.send_headers(self._stream, headers)
        self._end.flush()
        (answer,) = self._wait_for(ResponseReceived)
        known = dict(answer.headers)
        assert known[":status"] == "200", known
        if compressed:
            self._deflate.finalize(known["sec-websocket-extensions"])
        self.ws = Connection(ConnectionType.CLIENT, extensions)

    def _wait_for(self, kind: type[Any]) -> list[Any]:
        while True:
            found = [event for event in self._end.events() or () if isinstance(event, kind)]
            self._end.flush()
            if found:
                return found

    def say(self, event: Any) -> None:  # noqa: ANN401 - wsproto's events
        """Send it in one DATA frame or several, as the windows allow."""
        rest = self.ws.send(event)
        while rest:
            room = min(self._end.h2.local_flow_control_window(self._stream), self._end.h2.max_outbound_frame_size)
            if room > 0:
                self._end.h2.send_data(self._stream, rest[:room])
                rest = rest[room:]
                self._end.flush()
            else:
                self._receive()

    def hear(self) -> str | bytes:
        """Wait for a message."""
        whole: Any = None
        while True:
            for event in self.ws.events():
                if isinstance(event, Message):
                    whole = event.data if whole is None else whole + event.data
                    if event.message_finished:
                        return bytes(whole) if isinstance(event, BytesMessage) else whole
            self._receive()

    def close(self) -> None:
        self.say(CloseConnection(code=1000))
        while not any(isinstance(event, CloseConnection) for event in self.ws.events()):
            self._receive()
        self._end.sock.close()  # hypercorn forgets the stream at its own close frame, and trips over an END_STREAM behind it

    def _receive(self) -> None:
        for event in self._end.events() or [ConnectionTerminated()]:
            if isinstance(event, DataReceived):
                self.ws.receive_data(event.data)
            else:
                assert not isinstance(event, (StreamReset, ConnectionTerminated))
        self._end.flush()


def _ask(url: str, certificate: str, *, compressed: bool) -> None:
    end = _Socket(url, certificate, compressed=compressed)
    for n in range(COUNT):
        message = said(n)
        end.say(TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message))
        assert end.hear() == answer_to(message)
    end.close()


if __name__ == "__main__":
    role, _, compression, pem, *rest = sys.argv[1:]
    if role == "server":
        asyncio.run(_serve(pem))
    else:
        _ask(rest[0], pem, compressed=compression == "compressed")

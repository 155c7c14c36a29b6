"""A WebSocket connection as a test tells it, from the upgrade on, and frames made by the `websockets` package."""

from __future__ import annotations

from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from qtap.model import Connection, Process, Transaction, WebSocket, WebSocketMessage
from qtap.wire.http1 import Observer as Http1
from qtap.wire.successors import successor, takes_over
from tests.wire.watching import Watching

ASK = b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n"


class Talk(Watching):
    """Both sides of one connection; every call is a tick of the clock."""

    def __init__(self, *, extensions: str = "", limit: int = 1 << 20) -> None:
        super().__init__()
        connection = Connection(id="c", process=Process(pid=1))
        http1 = Http1(self, connection, limit, from_start=True, takes_over=takes_over)
        agreed = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        http1.feed(True, ASK, 1)  # noqa: FBT003 - the interface of the observer
        http1.feed(False, f"HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\n{agreed}\r\n".encode(), 2)  # noqa: FBT003 - likewise
        assert http1.handover is not None
        maker = successor(http1.handover.transaction)
        assert maker is not None
        self.observer = maker(self, connection, limit, http1.handover)
        self.at = 2

    @property
    def transaction(self) -> Transaction:
        return self.opened_ones[0]

    @property
    def socket(self) -> WebSocket:
        return self.transaction.websocket or WebSocket()

    @property
    def messages(self) -> list[WebSocketMessage]:
        return self.socket.messages

    @property
    def seen(self) -> list[str]:
        """Each message as `> kind payload (faults)`; `>` for the client's."""
        return [show(message) for message in self.messages]

    def closes(self) -> Talk:
        for from_client in (True, False):
            self.at += 1
            self.observer.close(from_client, self.at)
        self.observer.end(self.at, "connection_closed")
        return self


def show(message: WebSocketMessage) -> str:
    text = message.payload.decode("latin-1")
    faults = f" ({', '.join(message.faults)})" if message.faults else ""
    return f"{'>' if message.from_client else '<'} {message.kind} {text}{faults}"


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = False, extension: Any = None) -> bytes:  # noqa: ANN401 - the library's
    """Give one frame as the `websockets` package writes it."""
    return Frame(opcode, data, fin).serialize(mask=mask, extensions=[extension] if extension else [])


def text(data: str, *, mask: bool = False, extension: Any = None) -> bytes:  # noqa: ANN401 - likewise
    return frame(Opcode.TEXT, data.encode(), mask=mask, extension=extension)


def deflate(*, takeover: bool = True) -> PerMessageDeflate:
    """The sender's half of permessage-deflate."""
    return PerMessageDeflate(
        remote_no_context_takeover=False,
        local_no_context_takeover=not takeover,
        remote_max_window_bits=15,
        local_max_window_bits=15,
    )

"""A conversation as a test tells it: who sends what, what is lost, and what the observer made of it."""

from __future__ import annotations

from qtap.model import Connection, Process, Transaction
from qtap.wire.http1 import Observer
from tests.wire.watching import Telling

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(target: str) -> bytes:
    """A request without body."""
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def post(target: str, size: int) -> bytes:
    """The head of a request with a body of `size` bytes."""
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


def answer(body: bytes, size: int | None = None) -> bytes:
    """A response with a body, of which `size` bytes are announced."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body) if size is None else size, body)


class Conversation(Telling):
    """Feeds an observer, a tick of the clock a call, and checks the contract of its Listener."""

    observer: Observer

    def __init__(self, *, from_start: bool = True, body_limit: int = 1 << 20) -> None:
        super().__init__()
        connection = Connection(id="c", process=Process(pid=1))
        self.observer = Observer(self, connection, body_limit, from_start=from_start)

    def client_loses(self, size: int) -> Conversation:
        return self.loses(size, from_client=True)

    def server_loses(self, size: int) -> Conversation:
        return self.loses(size, from_client=False)

    def client_skips(self, size: int, *, ends_chunked: bool = False) -> Conversation:
        self.observer.skip(True, size, self.tick(), ends_chunked)  # noqa: FBT003 - the interface of the observer
        return self

    def server_skips(self, size: int, *, ends_chunked: bool = False) -> Conversation:
        self.observer.skip(False, size, self.tick(), ends_chunked)  # noqa: FBT003 - likewise
        return self

    def client_closes(self) -> Conversation:
        self.observer.close(True, self.tick())  # noqa: FBT003 - likewise
        return self

    def server_closes(self) -> Conversation:
        self.observer.close(False, self.tick())  # noqa: FBT003 - likewise
        return self

    def ends(self, reason: str = "capture_ended") -> list[Transaction]:
        """Capture stops; give every transaction, in order of opening."""
        found = super().ends(reason)
        assert self.observer.idle
        return found

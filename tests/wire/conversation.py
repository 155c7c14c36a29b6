"""A conversation as a test tells it: who sends what, what is lost, and what the observer made of it."""

from __future__ import annotations

from qtap.model import Connection, Process, Transaction
from qtap.wire.http1 import Observer

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


class Conversation:
    """Feeds an observer, a tick of the clock a call, and checks the contract of its Listener."""

    def __init__(self, *, from_start: bool = True, body_limit: int = 1 << 20) -> None:
        self.at = 0
        self.opened_ones: list[Transaction] = []
        self.finished_ones: list[Transaction] = []
        connection = Connection(id="c", process=Process(pid=1))
        self.observer = Observer(self, connection, body_limit, from_start=from_start)

    def opened(self, transaction: Transaction) -> None:
        assert not transaction.finished
        assert all(transaction is not one for one in self.opened_ones)
        self.opened_ones.append(transaction)

    def finished(self, transaction: Transaction) -> None:
        assert transaction.finished
        assert any(transaction is one for one in self.opened_ones)
        assert all(transaction is not one for one in self.finished_ones)
        for message in (transaction.request, transaction.response):
            assert isinstance(message.body, bytes)
        self.finished_ones.append(transaction)

    def client(self, *parts: bytes) -> Conversation:
        """The client makes one call, captured in these parts."""
        return self._call(parts, from_client=True)

    def server(self, *parts: bytes) -> Conversation:
        """The server makes one call, captured in these parts."""
        return self._call(parts, from_client=False)

    def client_loses(self, size: int) -> Conversation:
        self.observer.gap(True, size, self._tick())  # noqa: FBT003 - the interface of the observer
        return self

    def server_loses(self, size: int) -> Conversation:
        self.observer.gap(False, size, self._tick())  # noqa: FBT003 - likewise
        return self

    def client_skips(self, size: int, *, ends_chunked: bool = False) -> Conversation:
        self.observer.skip(True, size, self._tick(), ends_chunked)  # noqa: FBT003 - likewise
        return self

    def server_skips(self, size: int, *, ends_chunked: bool = False) -> Conversation:
        self.observer.skip(False, size, self._tick(), ends_chunked)  # noqa: FBT003 - likewise
        return self

    def client_closes(self) -> Conversation:
        self.observer.close(True, self._tick())  # noqa: FBT003 - likewise
        return self

    def server_closes(self) -> Conversation:
        self.observer.close(False, self._tick())  # noqa: FBT003 - likewise
        return self

    def ends(self, reason: str = "capture_ended") -> list[Transaction]:
        """Capture stops; give every transaction, in order of opening."""
        self.observer.end(self._tick(), reason)
        assert len(self.finished_ones) == len(self.opened_ones)
        assert self.observer.idle
        return self.opened_ones

    def seen(self, reason: str = "capture_ended") -> list[str]:
        """`ends`, each transaction as `METHOD target request-body > status response-body (reasons)`."""
        return [show(transaction) for transaction in self.ends(reason)]

    def _call(self, parts: tuple[bytes, ...], *, from_client: bool) -> Conversation:
        at = self._tick()
        for index, part in enumerate(parts):
            self.observer.feed(from_client, part, at, boundary=index == 0)
        return self

    def _tick(self) -> int:
        self.at += 1
        return self.at


def show(transaction: Transaction) -> str:
    """Put a transaction into one line; what was never seen is left out."""
    request = " ".join(filter(None, (transaction.method, transaction.target, _text(transaction.request.body)))) or "?"
    response = " ".join(filter(None, (str(transaction.status or "?"), _text(transaction.response.body))))
    notes = (*transaction.incomplete, *(("opaque",) if transaction.opaque else ()))
    return f"{request} > {response}" + (f" ({', '.join(notes)})" if notes else "")


def _text(body: bytes | bytearray) -> str:
    return bytes(body).decode("latin-1")

"""What every conversation of a test has: calls that feed an observer, the contract of its listener, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from qtap.model import Transaction
from qtap.wire.observer import Observer


class Watching:
    """Feeds `observer`, a tick of the clock a call, and checks the contract of its Listener."""

    observer: Observer

    def __init__(self) -> None:
        self.at = 0
        self.opened_ones: list[Transaction] = []
        self.finished_ones: list[Transaction] = []

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

    def client(self, *parts: bytes) -> Self:
        """The client makes one call, captured in these parts."""
        return self.call(parts, from_client=True)

    def server(self, *parts: bytes) -> Self:
        """The server makes one call, captured in these parts."""
        return self.call(parts, from_client=False)

    def call(self, parts: Iterable[bytes], *, from_client: bool) -> Self:
        at = self.tick()
        for index, part in enumerate(parts):
            self.observer.feed(from_client, part, at, boundary=index == 0)
        return self

    def loses(self, size: int, *, from_client: bool) -> Self:
        self.observer.gap(from_client, size, self.tick())
        return self

    def tick(self) -> int:
        self.at += 1
        return self.at


class Telling(Watching):
    """Tells what it saw when capture stops."""

    def ends(self, reason: str = "capture_ended") -> list[Transaction]:
        """Capture stops; give every transaction, in order of opening."""
        self.observer.end(self.at, reason)
        assert len(self.finished_ones) == len(self.opened_ones)
        assert not self.observer.held
        return self.opened_ones

    def seen(self, reason: str = "capture_ended") -> list[str]:
        """`ends`, each transaction as `METHOD target request-body > status response-body (reasons)`."""
        return [show(transaction) for transaction in self.ends(reason)]


def show(transaction: Transaction) -> str:
    """Put a transaction into one line; what was never seen is left out."""
    request = " ".join(filter(None, (transaction.method, transaction.target, _text(transaction.request.body)))) or "?"
    response = " ".join(filter(None, (str(transaction.status or "?"), _text(transaction.response.body))))
    notes = (*transaction.incomplete, *(("opaque",) if transaction.opaque else ()))
    return f"{request} > {response}" + (f" ({', '.join(notes)})" if notes else "")


def _text(body: bytes | bytearray) -> str:
    return bytes(body).decode("latin-1")

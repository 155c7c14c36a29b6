"""How transactions travel: a Source produces, a Sink takes."""

from __future__ import annotations

from typing import Protocol

import msgspec

from qtap.model.connection import Connection
from qtap.model.process import Process
from qtap.model.transaction import Transaction


class Loss(msgspec.Struct, frozen=True):
    """A count of things known to be missing that rose."""

    where: str
    """`ring`, `reader`, `parser`, `log` or `store`."""
    count: int
    """How many more since the previous Loss of the same place."""
    since: int
    """The time of that previous Loss, or of the start."""
    at: int
    what: str = "records"
    """The unit: `records`, `bytes`, `transactions`, or what was not reported: `connections` (without HTTP), `processes`."""


class Sink(Protocol):
    """Takes what a Source produces. Called on the source's thread; must return at once and must not raise."""

    def transaction_opened(self, transaction: Transaction) -> None:
        """A request head, or a response without one, was seen; the transaction goes on changing."""

    def transaction_finished(self, transaction: Transaction) -> None:
        """The transaction changes no more. Always comes after its `transaction_opened`."""

    def connection_changed(self, connection: Connection) -> None:
        """A connection was opened, has closed, or is still open and was not reported for a while."""

    def process_seen(self, process: Process) -> None:
        """A process was started, replaced by exec, seen for the first time, or has ended."""

    def lost(self, loss: Loss) -> None:
        """Something is known to be missing."""


class Source(Protocol):
    """Live capture, a replayed capture, a test: anything that produces transactions."""

    def start(self, sink: Sink) -> None:
        """Begin producing into `sink` on a thread of its own; return at once."""

    def stop(self) -> None:
        """End producing, deliver what is unfinished, and return within a second."""

"""What every observer of a connection is, whom it tells, and how one hands a connection over to the next."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from qtap.model import Transaction


class Listener(Protocol):
    """Is told of the transactions of one connection."""

    def opened(self, transaction: Transaction) -> None:
        """A request head, or a response head without request, is complete; the transaction goes on changing."""

    def finished(self, transaction: Transaction) -> None:
        """The transaction changes no more. Comes once for each that was opened."""


class Handover(NamedTuple):
    """A connection goes on in another protocol."""

    transaction: Transaction | None
    """The one whose response switched it, opened and not finished: its successor finishes it. None: the client began anew."""
    from_client: bool
    """Whose bytes `rest` is."""
    rest: bytes
    """What the same captured call brought behind the switch."""


class Observer(Protocol):
    """Makes transactions of one connection's bytes; never raises on any input.

    Which side sent which bytes, in the order of capture, and when: `at` is always the time of capture in nanoseconds.
    """

    opaque: bool
    """Nothing more is read: the rest is another protocol's."""
    handover: Handover | None
    """Set together with `opaque` when a successor may go on."""

    @property
    def idle(self) -> bool:
        """No transaction is in flight and nothing is half read."""

    @property
    def held(self) -> int:
        """Bytes kept of bodies that are still arriving."""

    def keep_no_more(self) -> None:
        """Cut the bodies that are arriving where they are: memory is short."""

    def feed(self, from_client: bool, data: bytes, at: int, boundary: bool = True) -> None:
        """Read `data` as one call carried it; `boundary` is False when it continues the data of the same call."""

    def gap(self, from_client: bool, size: int, at: int) -> None:
        """Take note that `size` bytes of one direction were lost before its next ones; below 0: nobody knows how many."""

    def skip(self, from_client: bool, size: int, at: int, ends_chunked: bool = False) -> None:
        """Count `size` bytes that passed but were not copied, by choice of the capture level."""

    def close(self, from_client: bool, at: int) -> None:
        """Take note that one side sends no more (FIN)."""

    def end(self, at: int, reason: str) -> None:
        """Finish everything live, marked with `reason` unless that is empty: the connection is gone or capture stops."""

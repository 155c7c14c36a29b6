from __future__ import annotations

from qtap.model import Connection, Process, Transaction
from qtap.wire.http1 import Observer
from qtap.wire.observer import Handover

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"


class Remembers:
    def __init__(self) -> None:
        self.opened_ones: list[Transaction] = []
        self.finished_ones: list[Transaction] = []

    def opened(self, transaction: Transaction) -> None:
        self.opened_ones.append(transaction)

    def finished(self, transaction: Transaction) -> None:
        self.finished_ones.append(transaction)


def switched(*, taken: bool) -> tuple[Remembers, Observer]:
    told = Remembers()
    connection = Connection(id="c", process=Process(pid=1))
    observer = Observer(told, connection, 1 << 20, from_start=True, takes_over=lambda t: taken and t.status == 101)
    observer.feed(True, ASK, 1)  # noqa: FBT003 - the interface of the observer
    observer.feed(False, SWITCH + b"behind", 2)  # noqa: FBT003 - likewise
    return told, observer


def test_a_transaction_that_a_successor_goes_on_with_is_left_unfinished_with_what_stood_behind_the_switch() -> None:
    told, observer = switched(taken=True)
    assert observer.opaque
    assert observer.handover == Handover(told.opened_ones[0], from_client=False, rest=b"behind")
    observer.end(3, "capture_ended")
    assert not told.finished_ones
    assert not told.opened_ones[0].opaque


def test_without_a_successor_the_connection_turns_opaque_and_the_transaction_is_finished() -> None:
    told, observer = switched(taken=False)
    assert observer.opaque
    assert observer.handover is None
    assert [t.opaque for t in told.finished_ones] == [True]

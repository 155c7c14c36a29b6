"""Whatever records are lost, no transaction shows what did not happen: real traffic, played again without some records."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtap.flow.log import TransactionLog
from qtap.flow.sinks import LogSink
from qtap.flow.table import ConnectionTable
from qtap.model import Process, Transaction
from tests.live.asking import in_python
from tests.live.servers import Seen, digest, recorder
from tests.live.tape import on_tape, taping

pytestmark = pytest.mark.live

COUNT = 31


class Finished(LogSink):
    """Keeps what is finished."""

    def __init__(self) -> None:
        super().__init__(TransactionLog(1 << 30))
        self.all: list[Transaction] = []

    def transaction_finished(self, transaction: Transaction) -> None:
        super().transaction_finished(transaction)
        self.all.append(transaction)


def play(tape: list[bytes]) -> list[Transaction]:
    sink = Finished()
    table = ConnectionTable(sink, Process, body_limit=2 << 20)
    for record in tape:
        table.take(record, 0)
    table.stop()
    return sink.all


def check(transactions: list[Transaction], truth: dict[str, Seen]) -> int:
    """See that nothing contradicts the server's record; give how many are whole."""
    by_id = {transaction.id: transaction for transaction in transactions}
    for seen in transactions:
        asked, answered = seen.request.field("x-id"), seen.response.field("x-id")
        assert not (asked and answered) or asked == answered
        peer = by_id.get(seen.peer)
        names = {name for end in (seen, peer) if end for name in (end.request.field("x-id"), end.response.field("x-id"))} - {""}
        assert len(names) <= 1
        if seen.incomplete:
            continue
        true = truth[asked]
        assert (seen.method, seen.target, seen.status) == (true.method, true.target, true.status)
        assert digest(bytes(seen.request.body)) == true.request_body
        assert digest(bytes(seen.response.body)) == true.response_body
    return sum(not transaction.incomplete for transaction in transactions)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_lost_record_makes_a_wrong_transaction(certificate: Path, tmp_path: Path, scheme: str) -> None:
    with recorder(certificate if scheme == "https" else None) as server:
        with taping(tmp_path / "tape"):
            in_python("requests", server.url, certificate, scheme, COUNT)
        truth = {seen.id: seen for seen in server.seen}
        tape = on_tape(tmp_path / "tape", server.server_port)
    assert len(truth) == COUNT
    assert check(play(tape), truth) == 2 * COUNT
    for at in range(len(tape)):
        for lost in (1, 2, 7):
            check(play(tape[:at] + tape[at + lost :]), truth)

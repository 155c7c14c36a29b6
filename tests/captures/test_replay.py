from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qtap.captures import CaptureReader, Header, Recorder, ReplaySource
from qtap.captures.format import Record, encode_record
from qtap.captures.replay import Schedule, give
from qtap.exports.event import System
from qtap.model import Connection, Loss, Process, Transaction, WebSocket, WebSocketMessage
from qtap.stores.lines import LineStore
from tests.exports.samples import BEGAN, CURL, connection, message, records, transaction

HEADER = Header("qtap-tui", 1, "web-1", "d3tsmtg7p3qggmf8pdhg", "qtap-tui 0.1.0", BEGAN, "6.1.0")
MS = 1_000_000


class Witness:
    """A Sink that writes down what it was told, and what an opened transaction held then."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | Record]] = []
        self.opened: list[Transaction] = []
        self.at_opening: list[tuple[int, bytes, bool]] = []
        self.ended = threading.Event()

    def transaction_opened(self, transaction: Transaction) -> None:
        self.told.append(("opened", transaction.id))
        self.opened.append(transaction)
        self.at_opening.append((transaction.status, transaction.response.head, transaction.finished))

    def transaction_finished(self, transaction: Transaction) -> None:
        assert any(transaction is one for one in self.opened)
        self.told.append(("finished", transaction))

    def connection_changed(self, connection: Connection) -> None:
        self.told.append(("connection", connection))

    def process_seen(self, process: Process) -> None:
        self.told.append(("process", process))

    def lost(self, loss: Loss) -> None:
        self.told.append(("loss", loss))


def saved(path: Path, given: list[Record]) -> str:
    path.write_bytes(b"".join(map(encode_record, [HEADER, *given])))
    return str(path)


def play(path: str, *, pace: bool = False) -> Witness:
    witness = Witness()
    source = ReplaySource(CaptureReader(path), pace=pace, on_end=witness.ended.set)
    source.start(witness)
    assert witness.ended.wait(20)
    source.stop()
    return witness


def exchange(name: str, begins: int, ends: int) -> Transaction:
    seen = transaction(id=name)
    seen.request = message(seen.request.head, at=BEGAN + begins * MS)
    seen.response = message(seen.response.head, b"ok", at=BEGAN + ends * MS)
    return seen


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=8), st.sampled_from(["again", "again.zst"]))
def test_a_capture_replayed_and_recorded_again_is_the_same_capture(tmp_path: Path, given: list[Record], name: str) -> None:
    first = saved(tmp_path / "first", given)
    reader, ended = CaptureReader(first), threading.Event()
    recorder = Recorder(str(tmp_path / name), header=reader.header, force=True, wait=True, max_items=3)
    source = ReplaySource(reader, on_end=ended.set)
    source.start(recorder)
    assert ended.wait(20)
    assert recorder.stop(timeout=20) == 0

    second = CaptureReader(str(tmp_path / name))
    assert encode_record(second.header) + b"".join(map(encode_record, second)) == Path(first).read_bytes()
    second.close()


def test_a_replay_prints_the_lines_that_live_capture_would(tmp_path: Path) -> None:
    given: list[Record] = [exchange("a", 0, 1), connection(), CURL, Loss("ring", 1, BEGAN, BEGAN), exchange("b", 2, 3)]
    system = System(HEADER.host, HEADER.instance)
    live = tmp_path / "live"
    with live.open("wb") as stream:
        store = LineStore(stream.fileno(), system=system)
        for record in given:
            give(record, store)
        store.stop()

    again = tmp_path / "again"
    reader, ended = CaptureReader(saved(tmp_path / "capture", given)), threading.Event()
    with again.open("wb") as stream:
        store = LineStore(stream.fileno(), system=System(reader.header.host, reader.header.instance), wait=True)
        ReplaySource(reader, on_end=ended.set).start(store)
        assert ended.wait(20)
        store.drain()
        store.stop()
    assert again.read_bytes() == live.read_bytes()
    assert live.read_bytes().count(b"\n") == len(given)


def test_every_kind_of_record_reaches_the_sink_in_the_order_of_the_file(tmp_path: Path) -> None:
    loss = Loss("ring", 1, BEGAN, BEGAN)
    witness = play(saved(tmp_path / "capture", [CURL, transaction(), connection(), loss]))
    opened = transaction().id
    assert witness.told == [
        ("process", CURL), ("opened", opened), ("finished", transaction()), ("connection", connection()), ("loss", loss),
    ]  # fmt: skip
    assert witness.at_opening[0][2] is False


def test_transactions_of_one_connection_share_it_again(tmp_path: Path) -> None:
    witness = play(saved(tmp_path / "capture", [exchange("a", 0, 1), exchange("b", 2, 3)]))
    first, second = witness.opened
    assert first.connection is second.connection


def test_at_its_own_speed_transactions_overlap_as_they_did(tmp_path: Path) -> None:
    given: list[Record] = [exchange("short", 20, 60), exchange("long", 0, 100), Loss("ring", 1, BEGAN, BEGAN + 110 * MS)]
    witness = play(saved(tmp_path / "capture", given), pace=True)
    assert witness.told == [
        ("opened", "long"), ("opened", "short"), ("finished", given[0]), ("finished", given[1]), ("loss", given[2]),
    ]  # fmt: skip
    assert witness.at_opening == [(0, b"", False)] * 2


def test_at_its_own_speed_messages_of_a_websocket_come_one_by_one() -> None:
    said = [WebSocketMessage(BEGAN + at * MS, "text", at == 30, b"%d" % at, 2) for at in (30, 60, 90)]
    whole = exchange("chat", 10, 100)
    whole.websocket = WebSocket(said, dropped=7, from_client=5, from_server=5)
    seen: list[tuple[int, int, int]] = []
    given: list[Record] = [whole, Loss("ring", 1, BEGAN, BEGAN + 100 * MS)]
    witness = Witness()
    for _, act in Schedule(iter(given), witness):
        act()
        socket = witness.opened[0].websocket
        assert socket
        seen.append((len(socket.messages), socket.from_client, socket.from_server))
    assert list(dict.fromkeys(seen)) == [(0, 4, 3), (1, 5, 3), (2, 5, 4), (3, 5, 5)]
    assert witness.opened[0].websocket == whole.websocket


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_at_its_own_speed_everything_ends_in_the_order_of_the_file(tmp_path: Path, times: list[tuple[int, int]]) -> None:
    given: list[Record] = [exchange(str(number), *time) for number, time in enumerate(times)]
    witness = play(saved(tmp_path / "capture", given), pace=True)
    assert [record for kind, record in witness.told if kind == "finished"] == given
    assert len(witness.opened) == len(given)


def test_stop_ends_a_paced_replay_and_nothing_is_told_of_an_end(tmp_path: Path) -> None:
    witness = Witness()
    path = saved(tmp_path / "capture", [exchange("a", 0, 1), exchange("b", 2, 2**40)])
    source = ReplaySource(CaptureReader(path), pace=True, on_end=witness.ended.set)
    source.start(witness)
    source.stop()
    assert not any(thread.name == "qtap-replay" for thread in threading.enumerate())
    assert not witness.ended.is_set()
    assert not any(kind == "finished" and record == exchange("b", 2, 2**40) for kind, record in witness.told)


class Slow(Witness):
    """A Sink that takes one record when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.let_go = threading.Event(), threading.Event()

    def process_seen(self, process: Process) -> None:
        self.entered.set()
        self.let_go.wait(20)
        super().process_seen(process)


def test_stop_ends_a_replay_before_its_next_record(tmp_path: Path) -> None:
    witness = Slow()
    source = ReplaySource(CaptureReader(saved(tmp_path / "capture", [CURL, transaction()])), on_end=witness.ended.set)
    source.start(witness)
    assert witness.entered.wait(20)
    stopping = threading.Thread(target=source.stop)
    stopping.start()
    while not source._stopping.is_set():  # noqa: SLF001 - the moment to wait for
        pass
    witness.let_go.set()
    stopping.join()
    assert witness.told == [("process", CURL)]
    assert not witness.ended.is_set()


def test_a_paced_replay_shows_the_status_while_the_body_is_still_coming(tmp_path: Path) -> None:
    stream = transaction()
    whole = transaction().response
    stream.request.first_at = stream.request.last_at = BEGAN
    stream.response.first_at, stream.response.last_at = BEGAN + 50 * MS, BEGAN + 400 * MS
    witness = Witness()
    source = ReplaySource(CaptureReader(saved(tmp_path / "capture", [stream])), pace=True, on_end=witness.ended.set)
    source.start(witness)
    assert until(lambda: bool(witness.opened))
    live = witness.opened[0]
    assert until(lambda: live.status == 200)
    assert not live.finished
    assert live.response.head == whole.head
    assert witness.ended.wait(30)
    assert live.finished
    assert live.response.body == whole.body


def until(truth: Callable[[], bool]) -> bool:
    """Wait, for half a minute at most, until something is so."""
    end = time.monotonic() + 30
    while not truth() and time.monotonic() < end:
        time.sleep(0.002)
    return truth()

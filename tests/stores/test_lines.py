from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qtap.exports.event import System, line_for
from qtap.model import Loss
from qtap.stores.lines import LineStore, write_all
from tests.exports.samples import BEGAN, CURL, connection, transaction

WEB = System("web-1", "d3tsmtg7p3qggmf8pdhg")


class Pipe:
    def __init__(self) -> None:
        self.out, self.into = os.pipe()

    def read_all(self) -> bytes:
        os.close(self.into)
        with os.fdopen(self.out, "rb") as stream:
            return stream.read()

    def close(self) -> None:
        for end in (self.out, self.into):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def events(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_every_kind_of_event_is_one_line_in_order(pipe: Pipe) -> None:
    store = LineStore(pipe.into, system=WEB)
    store.process_seen(CURL)
    store.connection_changed(connection())
    store.transaction_opened(transaction())
    store.transaction_finished(transaction())
    store.lost(Loss("ring", 3, BEGAN, BEGAN))
    assert store.stop() == 0
    printed = pipe.read_all()
    assert [event["event"] for event in events(printed)] == ["process", "connection", "http_transaction", "loss"]
    assert printed.splitlines(keepends=True)[2] == line_for(transaction(), tags=("host:web-1",))


def test_a_transaction_is_printed_when_it_is_finished_and_within_a_tenth_of_a_second_or_so(pipe: Pipe) -> None:
    store = LineStore(pipe.into, system=WEB)
    seen = transaction()
    store.transaction_opened(seen)
    assert select.select([pipe.out], [], [], 0.3)[0] == []
    store.transaction_finished(seen)
    assert select.select([pipe.out], [], [], 20)[0] == [pipe.out]
    store.stop()


def test_a_connection_is_printed_as_it_was_when_it_was_reported(pipe: Pipe) -> None:
    store = LineStore(pipe.into, system=WEB)
    changing = connection(opened_at=BEGAN)
    store.connection_changed(changing)
    changing.closed_at = BEGAN + 1
    store.connection_changed(changing)
    store.stop()
    assert [event["data"]["finalized"] for event in events(pipe.read_all())] == [False, True]


def test_the_level_decides_what_is_printed(pipe: Pipe) -> None:
    summary = LineStore(pipe.into, system=WEB, level="summary")
    summary.transaction_finished(transaction())
    summary.stop()
    none = LineStore(pipe.into, system=WEB, level="none")
    none.transaction_finished(transaction())
    none.stop()
    (only,) = events(pipe.read_all())
    assert "headers" not in only["data"]["request"]


def test_what_a_slow_reader_loses_is_counted_exactly(pipe: Pipe) -> None:
    store = LineStore(pipe.into, system=WEB, max_items=500)
    for _ in range(10_007):
        store.transaction_finished(transaction())
    for _ in range(31):
        store.process_seen(CURL)
    for number in range(5):
        store.lost(Loss("ring", 2, BEGAN + number, BEGAN + number + 1))
    reader: list[bytes] = []
    thread = threading.Thread(target=lambda: reader.append(pipe.read_all()))
    stopping = threading.Thread(target=store.stop, args=(20,))
    stopping.start()
    into, pipe.into = pipe.into, os.dup(pipe.into)
    thread.start()
    stopping.join()
    os.close(into)
    thread.join()

    printed = events(reader[0])
    kinds = [event["event"] for event in printed]
    lost = [event["data"] for event in printed if event["event"] == "loss"]
    dropped = sum(loss["count"] for loss in lost if (loss["where"], loss["what"]) == ("store", "transactions"))
    assert dropped > 0
    assert kinds.count("http_transaction") + dropped == 10_007
    assert (
        kinds.count("process") + sum(loss["count"] for loss in lost if loss["what"] == "records" and loss["where"] == "store")
        == 31
    )
    assert sum(loss["count"] for loss in lost if loss["where"] == "ring") == 10


def test_a_source_that_can_wait_loses_nothing_to_a_slow_reader(pipe: Pipe) -> None:
    store = LineStore(pipe.into, system=WEB, max_items=100, wait=True)
    reader: list[bytes] = []
    into, pipe.into = pipe.into, os.dup(pipe.into)
    thread = threading.Thread(target=lambda: reader.append(pipe.read_all()))
    thread.start()
    for number in range(2003):
        store.transaction_finished(transaction(id=str(number)))
    store.stop(20)
    os.close(into)
    thread.join()
    assert [event["data"]["metadata"]["request_id"] for event in events(reader[0])] == [str(n) for n in range(2003)]


def test_a_closed_pipe_is_told_once_and_quietly(pipe: Pipe) -> None:
    told: list[OSError] = []
    closed = threading.Event()

    def on_closed(error: OSError) -> None:
        told.append(error)
        closed.set()

    store = LineStore(pipe.into, system=WEB, on_closed=on_closed)
    os.close(pipe.out)
    store.transaction_finished(transaction())
    assert closed.wait(20)
    store.transaction_finished(transaction())
    store.stop()
    assert [type(error) for error in told] == [BrokenPipeError]


CHILD = """
import threading
from qtap.exports.event import System
from qtap.stores.lines import LineStore
from tests.exports.samples import transaction
closed = threading.Event()
store = LineStore(1, system=System("web-1"), on_closed=lambda error: closed.set())
while not closed.is_set():
    store.transaction_finished(transaction())
    closed.wait(0.001)
store.stop()
"""


def test_a_real_program_ends_quietly_when_head_has_seen_enough() -> None:
    command = '"$1" -c "$2" | head -n 3; echo "status ${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", command, "bash", sys.executable, CHILD], capture_output=True, text=True, check=True)
    *lines, status = done.stdout.splitlines()
    assert len(events("\n".join([*lines, ""]).encode())) == 3
    assert (status, done.stderr) == ("status 0", "")


STUCK = """
import time
from qtap.exports.event import System
from qtap.stores.lines import LineStore
from tests.exports.samples import transaction
store = LineStore(1, system=System("web-1"))
for _ in range(2003):
    store.transaction_finished(transaction())
time.sleep(0.3)
left = store.stop()
assert left > 0
"""


def test_a_real_program_ends_though_nobody_reads_what_it_printed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.wait(30) == 0
        assert child.stderr is not None
        assert child.stderr.read() == b""


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.into, False)
    data = os.urandom(1 << 20)
    received: list[bytes] = []
    into, pipe.into = pipe.into, os.dup(pipe.into)
    thread = threading.Thread(target=lambda: received.append(pipe.read_all()))
    thread.start()
    write_all(into, data)
    os.close(into)
    thread.join()
    assert received == [data]

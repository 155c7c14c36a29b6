"""Conversations that wait for a file's bytes: order kept, time and memory bounded."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from qtap.capture.files import Answer, read_piece
from qtap.flow.table import ConnectionTable
from qtap.model import Process
from tests.flow.kernel import Stream, Told

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
DATA = b"0123456789" * 100
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def piece(path: Path, *, inode: int = 0, offset: int = 0) -> bytes:
    names = b"\0".join(reversed(os.fsencode(path)[1:].split(b"/"))) + b"\0"
    return struct.pack("<4Q", inode or path.stat().st_ino, 1, offset, 1) + names


def table_for(told: Told, body_limit: int = 1 << 20) -> ConnectionTable:
    table = ConnectionTable(told, Process, body_limit=body_limit)
    table.offset = time.time_ns()  # the records' clock begins now, so that the file is older
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def settle(table: ConnectionTable, told: Told, count: int) -> None:
    end = time.monotonic() + 30
    while len(told.finished) < count and time.monotonic() < end:
        table.tick()
        time.sleep(0.002)


def server_of() -> Stream:
    return Stream(os.getpid(), 80, 4000, peer="10.0.0.2")


def test_what_comes_behind_a_file_waits_for_it(path: Path) -> None:
    told = Told()
    table, server = table_for(told), server_of()
    for _ in range(3):
        table.take(server.receives(ASK), 0)
        table.take(server.sends(HEAD), 0)
        table.take(server.sends_file(piece(path), 400), 0)
        table.take(server.sends_file(piece(path, offset=400), 600), 0)
    settle(table, told, 3)
    assert [(bytes(t.response.body), t.incomplete) for t in told.finished] == [(DATA, ())] * 3


def test_a_file_that_cannot_be_read_is_an_exact_hole(path: Path) -> None:
    told = Told()
    table, server = table_for(told), server_of()
    table.take(server.receives(ASK), 0)
    table.take(server.sends(HEAD), 0)
    table.take(server.sends_file(piece(path, inode=1), 1000), 0)
    table.take(server.receives(ASK), 0)
    table.take(server.sends(HEAD + DATA), 0)
    settle(table, told, 2)
    lost, whole = told.finished
    assert (lost.response.body_missing, lost.incomplete) == (1000, ("response_body_lost",))
    assert (bytes(whole.response.body), whole.incomplete) == (DATA, ())


def test_more_than_the_body_limit_is_not_read_but_cut(path: Path) -> None:
    told = Told()
    table, server = table_for(told, body_limit=700), server_of()
    table.take(server.receives(ASK), 0)
    table.take(server.sends(HEAD), 0)
    for at in range(0, 1000, 500):
        table.take(server.sends_file(piece(path, offset=at), 500), 0)
    settle(table, told, 1)
    (seen,) = told.finished
    assert (bytes(seen.response.body), seen.response.body_missing, seen.response.complete) == (DATA[:700], 300, True)
    assert seen.incomplete == ("response_body_cut",)


def test_the_end_of_the_connection_waits_for_nothing(path: Path) -> None:
    told = Told()
    table, server = table_for(told), server_of()
    table.take(server.receives(ASK), 0)
    table.take(server.sends(HEAD), 0)
    table.take(server.sends_file(piece(path), 1000), 0)
    table.take(server.closes(), 0)
    table.stop()
    (seen,) = told.finished
    assert bytes(seen.response.body) in {DATA, b""}
    assert seen.response.body_size == 1000


def test_the_next_connection_at_the_same_address_does_not_hurry_it(path: Path) -> None:
    told = Told()
    table, server = table_for(told), server_of()
    for record in (server.receives(ASK), server.sends(HEAD), server.sends_file(piece(path), 1000), server.closes(9, 9)):
        table.take(record, 0)
    later = Stream(os.getpid(), 80, 4001, peer="10.0.0.2", opened=2)
    table.take(later.receives(ASK), 0)
    table.take(later.sends(HEAD + DATA), 0)
    settle(table, told, 2)
    assert sorted((t.connection.remote.port, bytes(t.response.body)) for t in told.finished) == [(4000, DATA), (4001, DATA)]
    table.stop()
    assert [connection.bytes_sent for connection in told.connections if connection.remote.port == 4000][-1:] == [9]


def test_a_file_system_that_does_not_answer_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    monkeypatch.setattr("qtap.capture.files.read_piece", lambda _root, _answer: stuck.wait())
    monkeypatch.setattr("qtap.flow.stall._PATIENCE", 20_000_000)
    told = Told()
    table, server = table_for(told), server_of()
    table.take(server.receives(ASK), 0)
    table.take(server.sends(HEAD), 0)
    table.take(server.sends_file(piece(path), 1000), 0)
    settle(table, told, 1)
    stuck.set()
    assert [seen.incomplete for seen in told.finished] == [("response_body_lost",)]


def test_each_piece_is_waited_for_as_long_however_long_others_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy connection always waits for one, though none takes long."""
    paths, clock = [tmp_path / name for name in "ab"], 0
    may_read = {os.fsencode(path)[1:]: threading.Event() for path in paths}

    def when_told(root: str, answer: Answer) -> None:
        may_read[answer.piece.path].wait()
        read_piece(root, answer)

    monkeypatch.setattr("qtap.capture.files.read_piece", when_told)
    monkeypatch.setattr("qtap.flow.stall.time", SimpleNamespace(monotonic_ns=lambda: clock, monotonic=time.monotonic))
    for path in paths:
        path.write_bytes(DATA)
    told = Told()
    table, server = table_for(told), server_of()
    first, second = paths
    for path in paths:
        for record in (server.receives(ASK), server.sends(HEAD), server.sends_file(piece(path), 1000)):
            table.take(record, 0)
        clock += 1_500_000_000 * (path is first)
    may_read[os.fsencode(first)[1:]].set()
    settle(table, told, 1)
    clock += 1_500_000_000
    table.tick()
    may_read[os.fsencode(second)[1:]].set()
    settle(table, told, 2)
    assert [(bytes(t.response.body), t.incomplete) for t in told.finished] == [(DATA, ())] * 2


def test_files_that_cannot_be_read_at_once_are_read_beside_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of tmpfs on Linux 5.10, and of network file systems."""

    def slowly(root: str, answer: Answer) -> None:
        time.sleep(0.004)
        read_piece(root, answer)

    monkeypatch.setattr("qtap.capture.files.read_piece", slowly)
    monkeypatch.setattr("qtap.capture.files.Files._read_at_once", lambda *_: False)
    told, turns = Told(), 0
    table, server = table_for(told), server_of()
    for _ in range(40):
        for record in (server.receives(ASK), server.sends(HEAD), server.sends_file(piece(path), 1000)):
            table.take(record, 0)
    while len(told.finished) < 40 and turns < 100:
        time.sleep(0.01)
        table.tick()
        turns += 1
    assert [(bytes(t.response.body), t.incomplete) for t in told.finished] == [(DATA, ())] * 40
    assert turns < 30

"""HTTP/2 from records of the kernel: recognised by its first bytes, by its structure, and after an upgrade."""

from __future__ import annotations

import pytest

from qtap.flow.table import ConnectionTable
from qtap.model import Process, Transaction
from tests.flow.kernel import Stream, Told, told_by
from tests.wire.http2_talk import ACK, SETTINGS, Talk, check, data, frame, traffic
from tests.wire.watching import show

CALLS, TRUTHS = traffic(30)
UPGRADE = (
    b"GET /up HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def test_what_is_kept_to_find_http2_is_given_up_where_it_would_take_too_much_memory() -> None:
    told, talk = Told(), Talk()
    table = ConnectionTable(told, Process, body_limit=1 << 20, live_limit=100_000)
    callers = [Stream(10, 4000 + n, 80, sk=0x1000 + n, peer="10.0.0.2", opened=0) for n in range(10)]
    for caller in callers:
        table.take(caller.sends(data(1, bytes(30_000))[:20_000]), 0)
    held = sum(one.held for one in table._table.values())  # noqa: SLF001 - the memory that is told of
    assert held > 200_000
    table.tick()
    assert sum(one.held for one in table._table.values()) == 0  # noqa: SLF001 - likewise
    ask = frame(1, 5, 3, talk.block([(":method", "GET"), (":path", "/x")], from_client=True))
    answer = frame(1, 5, 3, talk.block([(":status", "204")], from_client=False))
    for caller in callers:
        table.take(caller.sends(ask), 0)
        table.take(caller.receives(answer), 0)
    table.stop()
    assert [show(t) for t in told.finished] == ["GET /x > 204"] * 10


def both_ends(first: int, opened: int) -> Told:
    client, server = Stream(10, 4000, 80, opened=opened), Stream(20, 80, 4000, sk=0x2000, opened=opened)
    records = []
    for from_client, payload in CALLS[first:]:
        one, other = (client, server) if from_client else (server, client)
        records += [one.sends(payload), other.receives(payload)]
    return told_by(*records, client.closes(), server.closes())


def of(told: Told, pid: int) -> list[Transaction]:
    return [t for t in told.finished if t.connection.process.pid == pid]


def test_both_ends_of_a_connection_seen_from_its_first_byte() -> None:
    told = both_ends(0, opened=1)
    for pid in (10, 20):
        assert check(of(told, pid), TRUTHS) == (30, 30)
        assert {t.connection.server for t in of(told, pid)} == {pid == 20}
    by_id = {t.id: t for t in told.finished}
    assert all(by_id[t.peer].peer == t.id and by_id[t.peer].stream == t.stream for t in told.finished)


@pytest.mark.parametrize("first", range(2, 50, 4))
def test_both_ends_of_a_connection_that_was_open_before_capture(first: int) -> None:
    told = both_ends(first, opened=0)
    for pid in (10, 20):
        _, count = check(of(told, pid), TRUTHS)
        assert count >= (len(CALLS) - first) // 6
        assert {t.connection.server for t in of(told, pid)} == {pid == 20}
        assert all(t.host for t in of(told, pid))


def test_a_server_that_speaks_first_is_known_by_its_settings() -> None:
    talk, client = Talk(), Stream(10, 4000, 443, handle=7)
    told = told_by(
        client.receives(SETTINGS),
        client.sends(PREFACE + SETTINGS + ACK),
        client.sends(frame(1, 5, 1, talk.block([(":method", "GET"), (":path", "/x")], from_client=True))),
        client.receives(frame(1, 5, 1, talk.block([(":status", "204")], from_client=False))),
    )
    assert [show(t) for t in told.finished] == ["GET /x > 204"]
    assert told.finished[0].connection.direction == "egress-internal"


def test_a_preface_in_pieces() -> None:
    talk, client = Talk(), Stream(10, 4000, 80)
    ask = frame(1, 5, 1, talk.block([(":method", "GET"), (":path", "/x")], from_client=True))
    whole = PREFACE + SETTINGS + ask
    records = [client.sends(whole[at : at + 5]) for at in range(0, len(whole), 5)]
    told = told_by(*records, client.receives(SETTINGS + frame(1, 5, 1, talk.block([(":status", "204")], from_client=False))))
    assert [show(t) for t in told.finished] == ["GET /x > 204"]


@pytest.mark.parametrize("joined", [True, False])
def test_the_request_of_an_upgrade_is_answered_on_stream_one(joined: bool) -> None:
    talk, client = Talk(), Stream(10, 4000, 80)
    answer = SETTINGS + frame(1, 4, 1, talk.block([(":status", "200")], from_client=False)) + data(1, b"up", ends=True)
    records = [client.sends(UPGRADE)]
    records += [client.receives(SWITCH + answer)] if joined else [client.receives(SWITCH)]
    records += [client.sends(PREFACE + SETTINGS)]
    records += [] if joined else [client.receives(answer)]
    records += [
        client.sends(frame(1, 5, 3, talk.block([(":method", "GET"), (":path", "/x")], from_client=True))),
        client.receives(frame(1, 5, 3, talk.block([(":status", "204")], from_client=False))),
    ]
    told = told_by(*records)
    assert [show(t) for t in told.finished] == ["GET /up > 200 up", "GET /x > 204"]
    first = told.finished[0]
    assert (first.protocol, first.stream, first.informational, first.opaque) == ("http2", 1, (SWITCH,), False)
    assert first.request.head == UPGRADE


def test_a_lost_record_marks_what_it_hits() -> None:
    client = Stream(10, 4000, 80)
    records = [client.sends(payload) if from_client else client.receives(payload) for from_client, payload in CALLS]
    for gone in range(len(records)):
        told = told_by(*records[:gone], *records[gone + 1 :], client.closes())
        _, count = check(told.finished, TRUTHS)
        assert count >= 26


@pytest.mark.parametrize("first", range(2, 30, 4))
def test_a_new_connection_whose_library_was_probed_late(first: int) -> None:
    client, server = Stream(10, 4000, 80, handle=5), Stream(20, 80, 4000, sk=0x2000, handle=6)
    records = []
    for from_client, payload in CALLS[first:]:
        one, other = (client, server) if from_client else (server, client)
        records += [one.sends(payload), other.receives(payload)]
    told = told_by(*records, client.closes(), server.closes())
    for pid in (10, 20):
        _, count = check(of(told, pid), TRUTHS)
        assert count >= (len(CALLS) - first) // 6
        assert {t.connection.server for t in of(told, pid)} == {pid == 20}

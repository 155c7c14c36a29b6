"""Which connections are reported, as soon as it can be told, and never one too few."""

from __future__ import annotations

import itertools

import pytest

from qtap.flow.reach import Reach
from qtap.flow.table import ConnectionTable
from qtap.model import Connection, Endpoint, Process
from tests.flow.kernel import Stream, Told

ASK = b"GET /a HTTP/1.1\r\nHost: shop\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
INSIDE, OUTSIDE, LOOPBACK = "10.0.0.9", "93.184.216.34", "127.0.0.1"


def connection(*, server: bool, ip: str) -> Connection:
    return Connection("c", Process(1), local=Endpoint("10.0.0.1", 1), remote=Endpoint(ip, 2 if ip else 0), server=server)


@pytest.mark.parametrize(
    ("direction", "server", "inside", "outside", "unknown"),
    [
        ("all", True, True, True, True),
        ("all", False, True, True, True),
        ("ingress", True, True, True, True),
        ("ingress", False, False, False, False),
        ("egress", True, False, False, False),
        ("egress", False, True, True, True),
        ("egress-internal", True, False, False, False),
        ("egress-internal", False, True, False, True),
        ("egress-external", True, False, False, False),
        ("egress-external", False, False, True, True),
    ],
)
def test_a_direction_is_that_of_the_process_and_what_cannot_be_told_is_kept(
    direction: str, server: bool, inside: bool, outside: bool, unknown: bool
) -> None:
    reach = Reach(direction)
    found = [reach.takes(connection(server=server, ip=ip)) for ip in (INSIDE, OUTSIDE, "")]
    assert found == [inside, outside, unknown]
    assert bool(reach) == (direction != "all")


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.200.0.1", "::1"])
def test_loopback_is_left_out(ip: str) -> None:
    assert not Reach(ignore_loopback=True).takes(connection(server=True, ip=ip))
    assert Reach(ignore_loopback=True).takes(connection(server=True, ip=INSIDE))
    assert Reach().takes(connection(server=True, ip=ip))


def told_within(reach: Reach, *given: bytes) -> tuple[Told, list[int]]:
    """Feed records to a table of this reach; give what came out, and the sockets that it muted."""
    told, muted = Told(), list[int]()
    table = ConnectionTable(told, Process, body_limit=100, reach=reach)
    table.mute = lambda sk, _pid, handle, _opened: muted.append(handle or sk)
    for record in given:
        table.take(record, 0)
    table.stop()
    assert {seen.id for seen in told.opened} == {seen.id for seen in told.finished}
    return told, muted


def test_an_end_that_is_not_wanted_is_muted_at_its_next_record_and_the_other_one_does_not_wait_for_it() -> None:
    client, server = Stream(10, 4000, 80), Stream(20, 80, 4000, sk=0x2000)
    exchange = [(client.sends(ASK), server.receives(ASK), server.sends(ANSWER), client.receives(ANSWER)) for _ in range(3)]
    told, muted = told_within(Reach("egress"), *itertools.chain.from_iterable(exchange), client.closes(), server.closes())
    assert [seen.connection.process.pid for seen in told.finished] == [10, 10, 10]
    assert {*muted} == {0x2000}
    assert {seen.process.pid for seen in told.connections} == {10}


def test_what_was_said_before_the_address_was_known_is_left_out_all_the_same() -> None:
    early, late = Stream(10, 0, 0, handle=7, sk=0, opened=0), Stream(10, 4000, 443, handle=7, opened=0)
    given = [early.sends(ASK)]
    early.goes_on_as(late)
    given += [late.receives(ANSWER), late.sends(ASK), late.receives(ANSWER)]
    told, muted = told_within(Reach(ignore_loopback=True), *given)
    assert (told.opened, told.connections) == ([], [])
    assert 7 in muted


def test_a_connection_whose_address_is_never_known_is_reported_at_its_end() -> None:
    stream = Stream(10, 0, 0, handle=7, sk=0, opened=0)
    told, muted = told_within(Reach("egress-internal", ignore_loopback=True), stream.sends(ASK), stream.receives(ANSWER))
    assert [seen.status for seen in told.finished] == [200]
    assert muted == []


def test_http2_that_is_found_on_the_way_is_left_out_as_well() -> None:
    settings = b"\0\0\0\4\0\0\0\0\0"
    stream = Stream(10, 4000, 80, opened=0)
    told, _ = told_within(Reach("ingress"), stream.receives(settings), stream.sends(settings), stream.sends(ASK))
    assert told.opened == []


def test_a_connection_of_which_nothing_is_to_be_read_is_told_of() -> None:
    told, client = Told(), Stream(10, 80, 4000)
    table = ConnectionTable(told, Process, body_limit=100)
    table.reads = lambda _pid, *, tls: tls
    for record in (client.sends(ASK), client.receives(ANSWER), client.closes(100, 50)):
        table.take(record, 0)
    table.stop()
    assert told.opened == []
    (seen,) = told.connections
    assert (seen.protocol, seen.bytes_sent, seen.direction) == ("other", 100, "egress-internal")

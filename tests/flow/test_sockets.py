"""Connections as such: hellos, other protocols, totals, and when each is reported."""

from __future__ import annotations

import time

import msgspec

from qtap.capture import records
from qtap.flow.reports import Reports
from qtap.flow.table import ConnectionTable
from qtap.model import Connection, Process
from tests.flow.kernel import Stream, Told, told_by
from tests.wire.test_tls_hello import client_hello

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECOND = 1_000_000_000


class Snapshots(Told):
    """Keeps each report as it was made."""

    def connection_changed(self, connection: Connection) -> None:
        self.connections.append(msgspec.structs.replace(connection))


def reports_of(*given: bytes) -> list[Connection]:
    told = Snapshots()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    for record in given:
        table.take(record, 0)
    table.stop()
    return told.connections


def test_a_tls_connection_whose_plaintext_is_seen_is_one_connection() -> None:
    socket = Stream(10, 4000, 443, sk=0x3000)
    handle = Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    told = told_by(
        socket.hello(client_hello("web.example", ("h2",))), handle.sends(ASK), handle.receives(ANSWER), handle.closes(),
        socket.closes(700, 900),
    )  # fmt: skip
    (connection,) = {connection.id: connection for connection in told.connections}.values()
    assert told.finished[0].connection is connection
    assert (connection.sni, connection.tls_version, connection.alpn) == ("web.example", 0x0304, ("h2",))
    assert (connection.bytes_sent, connection.bytes_received, connection.tls_probe) == (700, 900, "openssl")


def test_the_name_asked_for_stands_in_for_a_missing_host() -> None:
    socket, handle = Stream(10, 4000, 443, sk=0x3000), Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    told = told_by(socket.hello(client_hello("web.example")), handle.sends(b"GET /x HTTP/1.0\r\n\r\n"))
    assert told.finished[0].url == "https://web.example/x"


def test_a_handle_that_finds_its_socket_later_takes_over_what_it_said() -> None:
    socket = Stream(10, 4000, 443, sk=0x3000)
    unknown = Stream(10, 0, 0, sk=0, handle=0xAB)
    ask = unknown.sends(ASK)
    handle = Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    unknown.goes_on_as(handle)
    told = told_by(socket.hello(client_hello("web.example")), ask, handle.receives(ANSWER), socket.closes(1, 2))
    assert {connection.sni for connection in told.connections} == {"web.example"}
    assert len({connection.id for connection in told.connections}) == 1


def test_tls_without_plaintext_is_reported_once_with_its_name() -> None:
    socket = Stream(10, 4000, 443, sk=0x3000)
    hello = client_hello("web.example")
    (report,) = reports_of(socket.hello(hello[:5]), socket.hello(hello[5:]), socket.closes(500, 6000))
    assert (report.sni, report.hides_plaintext, report.part, report.server) == ("web.example", True, 0, False)
    assert (report.bytes_sent, report.bytes_received) == (500, 6000)


def test_the_next_connection_at_the_same_address_has_an_end_of_its_own() -> None:
    first, second = Stream(10, 4000, 443, sk=0x3000, opened=1), Stream(10, 4001, 443, sk=0x3000, opened=2)
    handle = Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    reports = reports_of(
        first.hello(client_hello("one")), handle.sends(ASK), handle.closes(), first.closes(1, 1),
        second.hello(client_hello("two")), second.closes(2, 2),
    )  # fmt: skip
    ends = [(report.sni, report.bytes_sent) for report in reports if report.closed_at]
    assert sorted(ends) == [("one", 1), ("two", 2)]


def test_other_protocols_are_reported_with_their_side_and_bytes() -> None:
    server = Stream(20, 25, 4000)
    (report,) = reports_of(server.other(records.SERVER), server.closes(12, 16))
    assert (report.protocol, report.server, report.bytes_sent, report.bytes_received) == ("other", True, 12, 16)


def test_bytes_that_nobody_copied_are_counted_at_the_end() -> None:
    server = Stream(20, 80, 4000)
    given = (server.receives(ASK), server.sends(ANSWER), server.sends(b"", flags=records.UNSEEN, unseen=100))
    told = told_by(*given, server.closes(len(ANSWER) + 100 + 17, len(ASK) + 5, read=len(ASK)))
    connection = told.connections[-1]
    assert (connection.sent_unseen, connection.received_unseen) == (117, 0)
    assert connection.bytes_received == len(ASK) + 5


def test_a_connection_open_before_capture_has_no_such_count() -> None:
    server = Stream(20, 80, 4000, opened=0)
    told = told_by(server.receives(ASK), server.sends(ANSWER), server.closes(10_000, 10_000))
    assert (told.connections[-1].sent_unseen, told.connections[-1].bytes_sent) == (0, 10_000)


def test_reports_come_first_then_every_ten_seconds_then_at_the_end() -> None:
    told = Snapshots()
    reports = Reports(told)
    one = Connection("c1", Process(1))
    reports.soon(one, 0)
    for tenth in range(260):
        reports.tick(tenth * SECOND // 10)
        if tenth == 4:
            assert told.connections == []
    one.closed_at = 26 * SECOND
    reports.last(one)
    reports.last(one)
    reports.tick(100 * SECOND)
    assert [(report.part, bool(report.closed_at)) for report in told.connections] == [
        (0, False),
        (1, False),
        (2, False),
        (3, True),
    ]
    assert len(reports) == 0


def test_a_short_connection_without_http_is_one_report() -> None:
    told = Snapshots()
    reports = Reports(told)
    one = Connection("c1", Process(1))
    reports.soon(one, 0)
    one.closed_at = 1
    reports.last(one)
    reports.tick(SECOND)
    assert [report.part for report in told.connections] == [0]


def test_nothing_is_told_or_kept_of_a_connection_after_its_end() -> None:
    told = Snapshots()
    reports = Reports(told)
    one = Connection("c1", Process(1), protocol="other", closed_at=1)
    reports.last(one)
    reports.corrected(one, SECOND)
    assert [report.part for report in told.connections] == [0]


def told_later(table: ConnectionTable, *given: bytes) -> None:
    for record in given:
        table.take(record, 0)
    table.tick(time.time_ns() + SECOND)


def test_tls_that_was_called_unseen_is_corrected_once_a_message_is_seen() -> None:
    told = Snapshots()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    socket = Stream(10, 4000, 443, sk=0x3000, opened=0)
    told_later(table, socket.hello(b"", flags=records.CLIENT))
    (first,) = told.connections
    assert (first.part, first.protocol, first.incomplete) == (0, "", ["plaintext_not_seen"])
    handle = Stream(10, 4000, 443, sk=0x3000, handle=0xAB, opened=0)
    told_later(table, handle.sends(ASK), handle.receives(ANSWER))
    corrected = told.connections[-1]
    assert (corrected.id, corrected.protocol, corrected.tls_probe) == (first.id, "http1", "openssl")
    assert corrected.incomplete == ["attached_mid_connection"]
    table.stop()
    last = told.connections[-1]
    assert last.incomplete == ["attached_mid_connection", "capture_ended"]
    assert [seen.part for seen in told.connections] == list(range(len(told.connections)))
    assert [seen.cut for seen in told.connections] == [False] * (len(told.connections) - 1) + [True]


def test_what_is_open_when_capture_ends_is_told_of_however_new_it_is() -> None:
    socket = Stream(10, 4000, 443, sk=0x3000)
    (told,) = reports_of(socket.hello(client_hello("web.example")))
    assert (told.sni, told.closed_at, told.incomplete) == ("web.example", 0, ["plaintext_not_seen", "capture_ended"])


def test_the_rest_of_a_message_is_no_message_seen() -> None:
    socket = Stream(10, 4000, 443, sk=0x3000)
    handle = Stream(10, 4000, 443, sk=0x3000, handle=0xAB, from_start=False)
    told = reports_of(socket.hello(client_hello("web.example")), handle.receives(b"the end of a body"), socket.closes(1, 2))
    assert [(seen.tls_probe, seen.incomplete) for seen in told] == [("", ["plaintext_not_seen"])]


def test_tls_seen_from_its_start_lacks_nothing() -> None:
    socket, handle = Stream(10, 4000, 443, sk=0x3000), Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    told = reports_of(
        socket.hello(client_hello("web.example")), handle.sends(ASK), handle.receives(ANSWER), socket.closes(1, 2)
    )
    assert [seen.incomplete for seen in told] == [[], []]
    late = Stream(10, 4000, 443, sk=0x3000, handle=0xAB, from_start=False)
    told = reports_of(socket.hello(client_hello("web.example")), late.sends(ASK), late.receives(ANSWER), socket.closes(1, 2))
    assert told[-1].incomplete == ["attached_mid_connection"]

"""Ends that come late, or not at all: another connection may have the socket's or the handle's address by then."""

from __future__ import annotations

from qtap.flow.table import ConnectionTable
from qtap.model import Process
from tests.flow.kernel import Stream, Told, kernel_time, told_by
from tests.wire.test_tls_hello import client_hello

ASK = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_an_end_that_comes_late_is_not_that_of_the_next_connection() -> None:
    first, second = Stream(10, 4000, 80, opened=1), Stream(10, 4001, 80, opened=2)
    given = [first.sends(ASK % 1), first.receives(ANSWER), first.closes(30, 40)]
    ask = second.sends(ASK % 2)
    told = told_by(*given[:2], ask, given[2], second.receives(ANSWER), second.closes(50, 60))
    assert [(t.target, t.status, t.incomplete) for t in told.finished] == [("/1", 200, ()), ("/2", 200, ())]
    assert told.finished[1].connection.bytes_sent == 50


def test_a_connection_whose_end_nobody_told_has_not_the_totals_of_the_next_one() -> None:
    first, second = Stream(10, 4000, 443, opened=1), Stream(10, 4001, 443, opened=2)
    told = told_by(first.hello(client_hello()), second.closes(50, 60))
    (report,) = told.connections
    assert (str(report.local), report.bytes_sent) == ("127.0.0.1:4000", 0)
    assert report.closed_at


def test_a_late_end_of_a_tls_handle_is_not_that_of_the_next_one_at_its_address() -> None:
    first, second = Stream(10, 4000, 443, handle=7, opened=1), Stream(10, 4001, 443, sk=0x2000, handle=7, opened=2)
    ask, end = first.sends(ASK % 1), first.closes()
    told = told_by(ask, second.sends(ASK % 2), end, second.receives(ANSWER))
    assert [(t.target, t.status, t.incomplete[-1:]) for t in told.finished][1] == ("/2", 200, ())


def test_the_tls_handles_of_a_program_end_when_its_process_runs_another() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    first, second = (Stream(10, 4000, 443, sk=0, handle=7, opened=0) for _ in range(2))
    table.take(first.sends(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\nx"), 0)
    table.executed(10, kernel_time())
    second.sends(ASK % 0)  # lost, so that no record of the handle begins it
    table.take(second.sends(ASK % 2), 0)
    table.take(second.receives(ANSWER), 0)
    table.stop()
    assert [(t.target, t.status) for t in told.finished] == [("/1", 0), ("/2", 200)]
    assert bytes(told.finished[0].request.body) == b"x"


def test_a_program_that_is_told_of_late_keeps_its_own_tls_handles() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    handle = Stream(10, 4000, 443, handle=7)
    began = kernel_time()
    table.take(handle.sends(ASK % 1), 0)
    table.executed(10, began)
    table.exited(10, began)  # of an earlier process of that number
    table.take(handle.receives(ANSWER), 0)
    table.take(handle.sends(ASK % 2), 0)
    table.take(handle.receives(ANSWER), 0)
    table.stop()
    assert [(t.target, t.status, t.incomplete) for t in told.finished] == [("/1", 200, ()), ("/2", 200, ())]


def test_an_end_whose_time_is_a_little_early_is_that_of_its_connection() -> None:
    stream = Stream(10, 4000, 80)
    end = stream.closes(30, 40)
    told = told_by(stream.sends(ASK % 1), end)
    assert [(t.incomplete, t.connection.bytes_sent) for t in told.finished] == [(("closed_without_response",), 30)]

from __future__ import annotations

import itertools

import pytest

from qtap.capture.records import ENDS_CHUNKED, SKIPPED, UNSEEN
from qtap.flow.table import ConnectionTable
from qtap.model import Process
from tests.flow.kernel import Stream, Told, kernel_time, told_by

ASK = b"GET /a?b=1 HTTP/1.1\r\nHost: shop\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def exchange(stream: Stream, number: int) -> list[bytes]:
    """A request and its answer, both of which say their number."""
    ask = b"POST /%d HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\n%03d" % (number, number)
    answer = b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 5\r\n\r\n%05d" % (number, number)
    return [stream.sends(ask), stream.receives(answer)]


def test_a_client_that_sends_a_request_is_egress_and_a_server_that_receives_it_is_ingress() -> None:
    client, server = Stream(10, 4000, 80), Stream(20, 80, 4000, sk=0x2000)
    told = told_by(client.sends(ASK), server.receives(ASK), server.sends(ANSWER), client.receives(ANSWER))
    seen = {t.connection.process.pid: t for t in told.finished}
    assert seen[10].connection.direction == "egress-internal"
    assert seen[20].connection.direction == "ingress"
    assert (seen[10].method, seen[10].path, seen[10].query, seen[10].status) == ("GET", "/a", "b=1", 200)
    assert str(seen[10].connection.local) == "127.0.0.1:4000"
    assert str(seen[10].connection.remote) == "127.0.0.1:80"
    assert not any(t.incomplete for t in told.finished)


def test_both_ends_of_a_local_connection_know_of_each_other() -> None:
    client, server = Stream(10, 4000, 80), Stream(20, 80, 4000, sk=0x2000)
    given = [(client.sends(ASK), server.receives(ASK), server.sends(ANSWER), client.receives(ANSWER)) for _ in range(3)]
    told = told_by(*itertools.chain.from_iterable(given))
    by_id = {t.id: t for t in told.finished}
    assert len(by_id) == 6
    assert all(by_id[t.peer].peer == t.id and by_id[t.peer].connection is not t.connection for t in told.finished)


def test_ends_on_different_connections_are_never_joined() -> None:
    one, other = Stream(10, 4000, 80), Stream(20, 80, 4001, sk=0x2000)
    told = told_by(one.sends(ASK), other.receives(ASK), other.sends(ANSWER), one.receives(ANSWER))
    assert [t.peer for t in told.finished] == ["", ""]


def test_an_answer_reported_before_its_request_is_paired_with_it() -> None:
    client = Stream(10, 4000, 80)
    ask, answer = client.sends(ASK), client.receives(ANSWER)
    (seen,) = told_by(answer, ask).finished
    assert (seen.method, seen.status, seen.incomplete) == ("GET", 200, ())


def test_an_answer_whose_request_never_comes_is_shown_all_the_same() -> None:
    client = Stream(10, 4000, 80, opened=0)
    (seen,) = told_by(client.receives(ANSWER)).finished
    assert (seen.method, seen.status, seen.incomplete) == ("", 200, ("attached_mid_connection",))


def test_an_answer_that_probes_were_too_late_to_see_the_request_of_is_not_given_to_the_next_one() -> None:
    client = Stream(10, 4000, 80, handle=0xA, from_start=False)
    ask = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 0\r\n\r\n"
    told = told_by(
        client.receives(answer % 0), *(r for n in (1, 2) for r in (client.sends(ask % n), client.receives(answer % n)))
    )
    seen = [(t.target, t.response.field("x-number"), t.incomplete) for t in told.finished]
    assert seen == [("", "0", ("attached_mid_connection",)), ("/1", "1", ()), ("/2", "2", ())]


def test_a_capture_that_begins_inside_a_body_goes_on_with_the_next_request() -> None:
    client = Stream(10, 4000, 80, opened=0)
    told = told_by(client.receives(b'tail of something"}'), client.sends(ASK), client.receives(ANSWER))
    assert [(t.method, t.status, t.incomplete) for t in told.finished] == [("GET", 200, ())]


@pytest.mark.parametrize("missing", [{n} for n in range(12)] + [{n, n + 1} for n in range(11)] + [{0, 5}, {1, 2, 3}])
def test_lost_records_never_join_a_request_to_another_ones_answer(missing: set[int]) -> None:
    stream = Stream(10, 4000, 80)
    given = [record for number in range(6) for record in exchange(stream, number)]
    for seen in told_by(*(r for n, r in enumerate(given) if n not in missing)).finished:
        numbers = {seen.target.removeprefix("/"), seen.response.field("x-number")} - {""}
        assert len(numbers) == 1, seen
        number = int(numbers.pop())
        if not seen.incomplete:
            assert bytes(seen.request.body) == b"%03d" % number
            assert bytes(seen.response.body) == b"%05d" % number
    untouched = {number for number in range(6) if not {2 * number, 2 * number + 1} & missing}
    whole = {
        int(t.target[1:]) for t in told_by(*(r for n, r in enumerate(given) if n not in missing)).finished if not t.incomplete
    }
    assert whole <= untouched


def test_bytes_that_could_not_be_read_are_missing_by_their_exact_number() -> None:
    client = Stream(10, 4000, 80)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    given = [client.sends(ASK), client.receives(head), client.receives(b"", flags=UNSEEN, unseen=9000), *exchange(client, 7)]
    file, after = told_by(*given).finished
    assert (file.response.body_size, file.response.body_missing, file.incomplete) == (9000, 9000, ("response_body_lost",))
    assert (after.target, after.incomplete) == ("/7", ())


def test_bodies_left_out_by_the_level_are_counted_and_not_called_lost() -> None:
    client = Stream(10, 4000, 80, peer="10.0.0.2")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    given = [
        client.sends(ASK), client.receives(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", flags=SKIPPED, unseen=900),
        client.sends(ASK), client.receives(chunked, flags=SKIPPED, unseen=40),
        client.receives(b"", flags=SKIPPED | ENDS_CHUNKED, unseen=50), *exchange(client, 7),
    ]  # fmt: skip
    told = told_by(*given, stop=False)
    assert [(t.status, t.response.body_size, t.incomplete) for t in told.finished[:2]] == [(200, 900, ()), (200, 90, ())]


def test_a_tls_handle_whose_socket_is_found_late_keeps_its_transaction_and_gains_the_address() -> None:
    early, late = Stream(10, 0, 0, sk=0, handle=0xAB), Stream(10, 4000, 443, sk=0x3000, handle=0xAB)
    ask = early.sends(ASK)
    early.goes_on_as(late)
    told = told_by(ask, late.receives(ANSWER))
    (seen,) = told.finished
    assert (str(seen.connection.remote), seen.connection.tls_probe, seen.scheme) == ("127.0.0.1:443", "openssl", "https")


def test_a_reused_socket_address_begins_a_new_connection() -> None:
    first, second = Stream(10, 4000, 80), Stream(10, 4001, 80)
    told = told_by(first.sends(ASK), second.sends(ASK), second.receives(ANSWER))
    given_up, answered = sorted(told.finished, key=lambda t: t.status)
    assert (given_up.status, given_up.incomplete) == (0, ("closed_without_response",))
    assert (answered.status, answered.connection.local.port) == (200, 4001)


def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    server = Stream(20, 80, 4000)
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
    told = told_by(server.receives(ASK), server.sends(answer), server.closes())
    (seen,) = told.finished
    assert (bytes(seen.response.body), seen.incomplete) == (b"all of it", ())
    assert told.connections[-1].closed_at


def test_a_client_that_reads_the_end_has_the_whole_body_before_it_closes() -> None:
    client = Stream(10, 4000, 80, peer="10.0.0.2")
    given = (client.sends(ASK), client.receives(b"HTTP/1.0 200 OK\r\n\r\nold"), client.reads_end())
    (seen,) = told_by(*given, stop=False).finished
    assert (bytes(seen.response.body), seen.incomplete) == (b"old", ())


def test_what_is_live_when_capture_stops_says_so() -> None:
    (seen,) = told_by(Stream(10, 4000, 80).sends(ASK)).finished
    assert seen.incomplete == ("capture_ended",)


def test_a_request_without_host_is_named_by_its_server() -> None:
    client = Stream(10, 4000, 80, address="192.168.7.9")
    told = told_by(client.sends(b"GET / HTTP/1.0\r\n\r\n"), client.receives(ANSWER))
    assert told.finished[0].url == "http://192.168.7.9:80/"


def test_bodies_that_arrive_at_once_are_cut_where_they_would_take_too_much_memory() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20, live_limit=100_000)
    uploads = [Stream(10, 4000 + n, 80, sk=0x1000 + n, peer="10.0.0.2") for n in range(10)]
    for upload in uploads:
        table.take(upload.sends(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + bytes(20_000)), 0)
    table.tick()
    for upload in uploads:
        table.take(upload.sends(bytes(20_000)), 0)
        table.take(upload.receives(ANSWER), 0)
    assert [(len(t.request.body), t.request.body_size, t.incomplete) for t in told.finished] == [
        (20_000, 40_000, ("request_body_cut",))
    ] * 10


def test_heads_that_do_not_end_are_given_up_where_they_would_take_too_much_memory() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20, live_limit=100_000)
    askers = [Stream(10, 4000 + n, 80, sk=0x1000 + n, peer="10.0.0.2") for n in range(10)]
    for asker in askers:
        table.take(asker.sends(b"GET /endless HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000), 0)
    table.tick()
    for asker in askers:
        table.take(asker.sends(b"\r\n\r\n"), 0)
        table.take(asker.sends(ASK), 0)
        table.take(asker.receives(ANSWER), 0)
    table.stop()
    assert "/endless" not in {t.target for t in told.finished}
    assert len([t for t in told.finished if t.status]) == 10


def test_times_follow_the_clock_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    client = Stream(10, 4000, 80, peer="10.0.0.2")
    table.take(client.sends(ASK), 0)
    before = table.offset
    monkeypatch.setattr("qtap.flow.clock.clock_offset", lambda: before + 3_600_000_000_000)
    table.tick()
    for record in (client.receives(ANSWER), client.sends(ASK), client.receives(ANSWER)):
        table.take(record, 0)
    first, second = told.finished
    assert second.request.first_at - first.request.first_at > 3_600_000_000_000


def test_an_address_that_the_kernel_uses_again_is_another_connection() -> None:
    upload, later = Stream(20, 80, 4000, opened=1), Stream(10, 4001, 80, opened=2)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
    told = told_by(upload.receives(head), upload.closes(), later.sends(ASK), later.receives(ANSWER))
    assert [(str(t.connection.local), t.method, t.status) for t in told.finished] == [
        ("127.0.0.1:80", "POST", 0),
        ("127.0.0.1:4001", "GET", 200),
    ]


def test_a_tls_handle_that_is_used_again_is_another_connection() -> None:
    first = Stream(10, 4000, 80, handle=7, opened=1)
    later = Stream(10, 4001, 80, sk=0x2000, handle=7, opened=2)
    told = told_by(first.sends(ASK), first.closes(), later.receives(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"))
    assert [(str(t.connection.local), t.method, t.status) for t in told.finished] == [
        ("127.0.0.1:4000", "GET", 0),
        ("127.0.0.1:4001", "", 408),
    ]


def test_a_handle_that_changes_its_socket_is_not_looked_for_at_the_old_one() -> None:
    first, second = Stream(10, 4000, 443, sk=0x3000, handle=0xAB), Stream(10, 4001, 443, sk=0x4000, handle=0xAB)
    ask = first.sends(ASK)
    first.goes_on_as(second)
    answer = second.receives(ANSWER)
    plain_close = Stream(10, 4000, 443, sk=0x3000).closes()
    told = told_by(ask, answer, second.closes(), plain_close, stop=False)
    assert [(t.status, str(t.connection.local)) for t in told.finished] == [(200, "127.0.0.1:4001")]


def test_handles_without_a_socket_are_no_ends_of_one_connection() -> None:
    client, server = Stream(10, 0, 0, sk=0, handle=0xA), Stream(20, 0, 0, sk=0, handle=0xB)
    told = told_by(client.sends(ASK), server.receives(ASK), server.sends(ANSWER), client.receives(ANSWER))
    assert [t.peer for t in told.finished] == ["", ""]


def test_what_a_process_leaves_behind_ends_with_it() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    for number in range(100):
        table.take(Stream(10, 0, 0, sk=0, handle=0x1000 + number, opened=0).sends(ASK), 0)
    assert len(table) == 100
    at = kernel_time()
    ended_at = at + table.offset
    table.exited(10, at)
    table.tick()
    assert len(table) == 0
    assert {t.incomplete for t in told.finished} == {("closed_without_response",)}
    assert [(p.pid, p.ended_at) for p in told.processes] == [(10, ended_at)] * 2  # one object, told of twice


def test_a_handle_at_the_address_of_one_that_is_gone_is_another_though_its_first_record_is_lost() -> None:
    one, other = Stream(10, 4000, 443, handle=7, opened=0), Stream(10, 4001, 443, sk=0x2000, handle=7, opened=0)
    records = [one.sends(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"), one.closes()]
    other.sends(b"lost")
    told = told_by(*records, other.sends(b"GET /other HTTP/1.1\r\nHost: b\r\n\r\n"))
    assert [(t.target, t.connection.local.port) for t in told.opened] == [("/one", 4000), ("/other", 4001)]


def test_tls_handles_that_are_over_and_were_not_freed_are_counted() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    freed, left, late = (Stream(10, 4000, 443, sk=number, handle=number, opened=1) for number in (1, 2, 3))
    replaced = Stream(11, 4000, 443, sk=4, handle=4, opened=1)
    for stream in (freed, left, late, replaced):
        table.take(stream.sends(ASK), 0)
    table.take(freed.closes(), 0)
    for sk in (1, 2, 3):
        table.take(Stream(10, 4000, 443, sk=sk, opened=1).closes(), 0)
    table.tick()
    assert table.unfreed == 2
    table.take(late.closes(), 0)
    table.executed(11, kernel_time())
    assert table.unfreed == 2
    table.tick()
    assert (table.unfreed, len(table)) == (2, 0)

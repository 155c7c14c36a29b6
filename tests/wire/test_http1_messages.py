"""Conversations seen whole: every framing rule of RFC 9112, and the peers that break it."""

from __future__ import annotations

import pytest

from tests.wire.conversation import CHUNKED, OK, Conversation, answer, get, post

LENIENT = {
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "tab before the colon": b"HTTP/1.1 200 OK\r\nContent-Length\t: 2\r\n\r\nok",
    "no space after the colon": b"HTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\nok",
    "upper case": b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 2\r\n\r\nok",
    "folded length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok",
    "a longer name first": b"HTTP/1.1 200 OK\r\nContent-Length-Hint: 9\r\nContent-Length: 2\r\n\r\nok",
    "a length inside a folded value": b"HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\nok",
    "a length inside a value": b"HTTP/1.1 200 OK\r\nX: Content-Length: 9\r\nContent-Length: 2\r\n\r\nok",
    "first of two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nok",
    "first of a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2 , 9\r\n\r\nok",
    "leading zeros": b"HTTP/1.1 200 OK\r\nContent-Length: 0000000000000000000000000000002\r\n\r\nok",
    "LF only": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "LF and CRLF mixed": b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
    "CRLF and LF mixed": b"HTTP/1.1 200 OK\nX: 1\r\nContent-Length: 2\r\n\nok",
    "control characters": b"HTTP/1.1 200 OK\r\nX: \x00\x01\x1b[31m\x7f\r\nContent-Length: 2\r\n\r\nok",
    "a line without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2 in words": b"HTTP/2 200\r\nContent-Length: 2\r\n\r\nok",
    "empty lines before": b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "empty line inside the body only": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "chunked": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "one chunk a byte": CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    "chunked, LF only": CHUNKED + b"2\nok\n0\n\n",
    "chunk extensions": CHUNKED + b'2;a=b;c="\xff"\r\nok\r\n0;last\r\n\r\n',
    "blanks around the size": CHUNKED + b" 2 \r\nok\r\n0  \r\n\r\n",
    "size with zeros": CHUNKED + b"000000000000000000002\r\nok\r\n000\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nX-T: 1\r\nY-T: 2\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked in a second field": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding : CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ),
    "folded coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked with an empty member": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, \r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked beats length": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ),
    "length beats other codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("response", LENIENT.values(), ids=LENIENT)
def test_a_lenient_response_is_read_and_the_next_one_too(response: bytes) -> None:
    talk = Conversation().client(get("/a")).server(response).client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > 200 ok", "GET /b > 200 ok"]


@pytest.mark.parametrize("response", LENIENT.values(), ids=LENIENT)
def test_a_lenient_response_is_read_byte_by_byte_call_by_call(response: bytes) -> None:
    talk = Conversation().client(get("/a"))
    for byte in response:
        talk.server(bytes([byte]))
    assert talk.client(get("/b")).server(OK).seen() == ["GET /a > 200 ok", "GET /b > 200 ok"]


@pytest.mark.parametrize("response", LENIENT.values(), ids=LENIENT)
def test_two_lenient_responses_stand_in_one_call(response: bytes) -> None:
    talk = Conversation().client(get("/a") + get("/b")).server(response + response)
    assert talk.seen() == ["GET /a > 200 ok", "GET /b > 200 ok"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"GET /a HTTP/1.1", "GET /a"),
        (b"get /a HTTP/1.1", "get /a"),
        (b"M-SEARCH * HTTP/1.1", "M-SEARCH *"),
        (b"GET /a b\tc HTTP/1.1", "GET /a b\tc"),
        (b"GET /caf\xc3\xa9 HTTP/1.1", "GET /caf\u00c3\u00a9"),
        (b"GET  /a   HTTP/1.1  ", "GET /a"),
        (b"GET\t/a\tHTTP/1.1", "GET /a"),
        (b"GET /a HTTP/1.0", "GET /a"),
        (b"GET /a HTTP/2.0", "GET /a"),
        (b"GET http://h:1/a?b HTTP/1.1", "GET http://h:1/a?b"),
        (b"OPTIONS * HTTP/1.1", "OPTIONS *"),
        (b"GET HTTP/1.1", "GET"),
    ],
)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("parts", [1, 1000], ids=["whole", "bytes"])
def test_a_lenient_request_line_is_read(line: bytes, shown: str, newline: bytes, parts: int) -> None:
    head = line + newline + b"Host: x" + newline * 2
    talk = Conversation()
    for start in range(0, len(head), len(head) // parts + 1):
        talk.client(head[start : start + len(head) // parts + 1])
    assert talk.server(OK).seen() == [f"{shown} > 200 ok"]


@pytest.mark.parametrize(
    ("head", "host"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"),
        (b"GET / HTTP/1.1\r\nX: 1\r\nhOsT :\t a.example:81 \r\n\r\n", "a.example:81"),
        (b"GET / HTTP/1.1\nHost:a.example\n\n", "a.example"),
        (b"GET http://u:p@b.example:8/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example:8"),
        (b"GET http://b.example?y=/ HTTP/1.1\r\n\r\n", "b.example"),
        (b"CONNECT c.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "c.example:443"),
        (b"GET /x://y HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"),
        (b"GET / HTTP/1.1\r\nX-Host: a.example\r\n\r\n", ""),
    ],
)
def test_the_host_is_known_when_the_transaction_opens(head: bytes, host: str) -> None:
    talk = Conversation().client(head)
    assert [transaction.host for transaction in talk.opened_ones] == [host]


def test_a_transaction_is_opened_at_its_request_head_and_finished_once() -> None:
    talk = Conversation().client(post("/a", 4))
    assert len(talk.opened_ones) == 1
    talk.client(b"bo").client(b"dy").server(OK[:-1])
    assert (len(talk.finished_ones), talk.observer.idle) == (0, False)
    talk.server(OK[-1:])
    assert (len(talk.finished_ones), talk.observer.idle) == (1, True)
    assert talk.seen() == ["POST /a body > 200 ok"]


def test_sizes_times_and_raw_bytes_are_those_of_the_wire() -> None:
    chunks = b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    talk = Conversation().client(b"\r\n" + post("/a", 4)[:9]).client(post("/a", 4)[9:]).client(b"body")
    [transaction] = talk.server(CHUNKED).server(chunks[:7]).server(chunks[7:]).ends()
    request, response = transaction.request, transaction.response
    assert (request.head, request.body, request.body_size) == (post("/a", 4), b"body", 4)
    assert (request.wire_size, request.first_at, request.last_at) == (len(post("/a", 4)) + 4, 1, 3)
    assert (response.head, response.trailers) == (CHUNKED, b"X-T: 1\r\n")
    assert (response.wire_size, response.first_at, response.last_at) == (len(CHUNKED) + len(chunks), 4, 6)
    assert request.complete
    assert response.complete
    assert transaction.incomplete == ()


@pytest.mark.parametrize(
    ("request_head", "response"),
    [
        (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        (b"HEAD / HTTP/1.1\r\n\r\n", CHUNKED),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_response_without_body_ends_with_its_head(request_head: bytes, response: bytes) -> None:
    talk = Conversation().client(request_head).server(response)
    assert talk.observer.idle
    assert talk.client(get("/b")).server(OK).seen()[1:] == ["GET /b > 200 ok"]


def test_requests_queue_up_and_are_answered_in_order() -> None:
    talk = Conversation().client(get("/a") + post("/b", 2) + b"hi" + get("/c")).server(answer(b"A") + answer(b"B")[:20])
    talk.server(answer(b"B")[20:], answer(b"C"))
    assert talk.seen() == ["GET /a > 200 A", "POST /b hi > 200 B", "GET /c > 200 C"]


def test_interim_responses_are_kept_and_answer_nothing() -> None:
    talk = Conversation().client(post("/a", 2)).server(b"HTTP/1.1 100 Continue\r\n\r\n").client(b"hi")
    [transaction] = talk.server(b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n" + OK).ends()
    assert transaction.informational == (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n",
    )
    assert (transaction.status, transaction.response.body, transaction.incomplete) == (200, b"ok", ())


def test_endless_interim_responses_are_not_all_kept() -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.1 102 Wait\r\n\r\n" * 1000)
    [transaction] = talk.server(OK).ends()
    assert len(transaction.informational) == 64


def test_an_early_response_leaves_the_request_going_on() -> None:
    talk = Conversation().client(post("/a", 6), b"abc").server(OK)
    assert not talk.finished_ones
    assert talk.client(b"def").seen() == ["POST /a abcdef > 200 ok"]


def test_a_request_given_up_after_an_early_response_is_unfinished() -> None:
    talk = Conversation().client(post("/a", 6), b"abc").server(OK).client(get("/b")).server(OK)
    assert talk.seen() == ["POST /a abc > 200 ok (request_body_unfinished)", "GET /b > 200 ok"]


def test_a_body_that_quotes_a_request_stays_a_body() -> None:
    inner = get("/inner")
    talk = Conversation().client(post("/a", len(inner))).client(inner).server(OK)
    assert talk.seen() == [f"POST /a {inner.decode()} > 200 ok"]


def test_a_body_that_quotes_a_response_stays_a_body() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"", len(OK))).server(OK)
    assert talk.seen() == [f"GET /a > 200 {OK.decode()}"]


def test_a_body_without_length_ends_when_the_server_closes() -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.0 200 OK\r\n\r\nsome").server(b"thing").server_closes()
    assert talk.observer.idle
    [transaction] = talk.ends()
    assert (transaction.response.body, transaction.response.complete, transaction.incomplete) == (b"something", True, ())


def test_a_body_without_length_is_unfinished_when_capture_ends() -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.1 200 OK\r\n\r\nsome")
    assert talk.seen() == ["GET /a > 200 some (response_body_unfinished, capture_ended)"]


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        CHUNKED + b"2\r\nok\r\n",
        CHUNKED + b"5\r\nok",
        CHUNKED + b"2\r\nok\r\n0\r\n",
    ],
)
def test_a_body_cut_by_a_close_is_unfinished(response: bytes) -> None:
    talk = Conversation().client(get("/a")).server(response).server_closes()
    assert talk.seen() == ["GET /a > 200 ok (response_body_unfinished)"]


def test_a_request_cut_by_a_close_is_unfinished() -> None:
    talk = Conversation().client(post("/a", 6) + b"abc").client_closes().server(OK)
    assert talk.seen() == ["POST /a abc > 200 ok (request_body_unfinished)"]


def test_a_client_that_closed_its_half_still_gets_its_response() -> None:
    assert Conversation().client(get("/a")).client_closes().server(OK).seen() == ["GET /a > 200 ok"]


def test_requests_never_answered_say_so() -> None:
    talk = Conversation().client(get("/a") + get("/b")).server(b"HTTP/1.1 20").server_closes()
    assert talk.seen() == ["GET /a > ? (closed_without_response)", "GET /b > ? (closed_without_response)"]


def test_what_lives_when_capture_ends_says_so() -> None:
    assert Conversation().client(get("/a")).seen() == ["GET /a > ? (capture_ended)"]
    assert Conversation().client(get("/a")).seen("") == ["GET /a > ?"]


def test_a_timeout_response_without_request_is_shown() -> None:
    timeout = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nlate"
    assert Conversation().server(timeout).server_closes().seen() == ["? > 408 late (request_lost)"]
    talk = Conversation().client(get("/a")).server(OK).server(timeout).server_closes()
    assert talk.seen() == ["GET /a > 200 ok", "? > 408 late (request_lost)"]


@pytest.mark.parametrize(
    ("came", "head", "method", "target"),
    [
        (b"GET /slow HTTP/1.1\r\nHost: x\r\nCook", b"GET /slow HTTP/1.1\r\nHost: x\r\n", "GET", "/slow"),
        (b"POST /x HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", "POST", "/x"),
        (b"GET /slow", b"", "", ""),
    ],
)
def test_an_answer_to_the_beginning_of_a_request_says_what_had_come(came: bytes, head: bytes, method: str, target: str) -> None:
    first, late = Conversation().client(get("/a")).server(OK), b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    for begun in (first.client(came), Conversation().client(get("/a")).server(OK).client(came).client_closes()):
        seen = begun.server(late).server_closes().ends("connection_closed")[1]
        assert (seen.method, seen.target, seen.status, seen.request.head) == (method, target, 408, head)
        assert (seen.incomplete, seen.request.wire_size) == (("request_head_unfinished",), len(came))


def test_a_request_that_goes_on_behind_its_answer_is_a_row_of_its_own() -> None:
    talk = Conversation().client(get("/a")[:20]).server(OK).client(get("/a")[20:]).client_closes().server_closes()
    assert talk.seen() == ["GET /a > 200 ok (request_head_unfinished)", "GET /a > ? (closed_without_response)"]


def test_a_connection_goes_on_after_connection_close() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    talk = Conversation().client(get("/a")).server(closing).client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > 200 ok", "GET /b > 200 ok"]


@pytest.mark.parametrize(
    ("request_head", "response"),
    [
        (b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"HTTP/1.0 299 Fine\r\n\r\n"),
    ],
)
def test_an_upgrade_or_tunnel_turns_opaque(request_head: bytes, response: bytes) -> None:
    talk = Conversation().client(request_head).server(response + b"\x81\x05HTTP/1.1 200 OK\r\n\r\n")
    assert talk.observer.opaque
    assert talk.observer.idle
    [transaction] = talk.client(get("/inside")).server(OK).ends()
    assert (transaction.opaque, transaction.response.body, transaction.incomplete) == (True, b"", ())


def test_a_refused_tunnel_is_an_ordinary_response() -> None:
    refused = b"HTTP/1.1 407 Authenticate\r\nContent-Length: 2\r\n\r\nno"
    talk = Conversation().client(b"CONNECT a:443 HTTP/1.1\r\n\r\n").server(refused).client(get("/b")).server(OK)
    assert talk.seen() == ["CONNECT a:443 > 407 no", "GET /b > 200 ok"]


def test_what_stands_behind_a_tunnel_request_goes_unanswered() -> None:
    talk = Conversation().client(b"CONNECT a:80 HTTP/1.1\r\n\r\n" + get("/inside")).server(b"HTTP/1.1 200 OK\r\n\r\n")
    assert talk.seen() == ["CONNECT a:80 > 200 (opaque)", "GET /inside > ? (closed_without_response)"]


def test_an_upgrade_in_the_middle_of_the_request_body_ends_it() -> None:
    talk = Conversation().client(post("/a", 9) + b"abc").server(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert talk.seen() == ["POST /a abc > 101 (request_body_unfinished, opaque)"]


@pytest.mark.parametrize(
    "data",
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /old\r\n", b"\x16\x03\x01\x02\x00", b"EHLO me\r\n", b"SSH-2.0-x\r\n", b"{}"],
)
@pytest.mark.parametrize("parts", [1, 1000], ids=["whole", "bytes"])
def test_another_protocol_turns_opaque_at_its_first_bytes(data: bytes, parts: int) -> None:
    talk = Conversation()
    for start in range(0, len(data), len(data) // parts + 1):
        talk.client(data[start : start + len(data) // parts + 1])
    assert talk.observer.opaque
    assert talk.server(OK).seen() == []


def test_the_http2_preface_is_no_request_on_a_connection_joined_late() -> None:
    talk = Conversation(from_start=False).client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert talk.observer.opaque
    assert talk.seen() == []


def test_a_body_is_cut_at_the_limit_and_counted_to_its_end() -> None:
    for response in (answer(b"0123456789"), CHUNKED + b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"):
        for size in (1, 3, len(response)):
            talk = Conversation(body_limit=6).client(get("/a"))
            for start in range(0, len(response), size):
                talk.server(response[start : start + size])
            [transaction] = talk.ends()
            assert transaction.response.body == b"012345"
            assert (transaction.response.body_size, transaction.response.body_missing) == (10, 4)
            assert transaction.incomplete == ("response_body_cut",)
            assert transaction.response.complete


def test_a_body_of_just_the_limit_is_whole() -> None:
    talk = Conversation(body_limit=2).client(post("/a", 2), b"h", b"i").server(OK)
    assert talk.seen() == ["POST /a hi > 200 ok"]


def test_a_body_can_be_read_while_it_grows() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"some", 9))
    [transaction] = talk.opened_ones
    with memoryview(transaction.response.body) as view:
        talk.server(b"th")
        assert bytes(view) == b"some"
    assert bytes(transaction.response.body) == b"someth"
    assert talk.server(b"ing").seen() == ["GET /a > 200 something"]


@pytest.mark.parametrize("length", [b"-2", b"+2", b"two", b"", b"0x2", b"2;", b"1_0"])
def test_a_length_that_is_no_number_is_no_length(length: bytes) -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nok" % length)
    assert talk.server_closes().seen() == ["GET /a > 200 ok"]


def test_a_length_beyond_all_bounds_is_only_a_number() -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nok" % (b"9" * 5000))
    assert talk.server_closes().seen() == ["GET /a > 200 ok (response_body_unfinished)"]


@pytest.mark.parametrize(
    "chunk", [b"x\r\n", b"-1\r\n", b"0x2\r\n", b"1_0\r\n", b"1" * 16 + b"\r\n", b"2\r\nok!\r\n", b";\r\n", b"\r\n"]
)
def test_broken_chunk_framing_ends_at_the_next_head(chunk: bytes) -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + chunk + b"more").client(get("/b")).server(OK)
    first, second = talk.seen()
    assert first.startswith("GET /a > 200")
    assert first.endswith("(response_body_lost, response_body_size_unknown)")
    assert second == "GET /b > 200 ok"


def test_a_head_without_end_is_lost_at_its_bound() -> None:
    talk = Conversation().client(b"GET / HTTP/1.1\r\n")
    for _ in range(1100):
        talk.client(b"X: " + b"a" * 1000 + b"\r\n")
    assert talk.observer.idle
    assert talk.client(get("/b")).server(OK).seen() == ["GET /b > 200 ok"]


def test_a_queue_without_end_is_given_up() -> None:
    talk = Conversation()
    for _ in range(3000):
        talk.client(get("/a"))
    assert len(talk.opened_ones) - len(talk.finished_ones) <= 1001
    assert {transaction.incomplete for transaction in talk.ends()} == {("response_lost",), ("capture_ended",)}

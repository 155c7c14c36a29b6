"""Conversations with holes: a hole is marked, and nothing is ever paired by a guess."""

from __future__ import annotations

import pytest

from tests.wire.conversation import CHUNKED, OK, Conversation, answer, get, post

HEAD_OF_FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def test_a_connection_joined_between_two_exchanges_is_read_from_there() -> None:
    talk = Conversation(from_start=False).client(get("/a")).server(OK)
    assert talk.seen() == ["GET /a > 200 ok"]


def test_a_connection_joined_within_a_request_shows_the_response_alone() -> None:
    talk = Conversation(from_start=False).client(b'"x": 1}').server(OK).client(get("/b")).server(OK)
    assert talk.seen() == ["? > 200 ok (attached_mid_connection)", "GET /b > 200 ok"]


@pytest.mark.parametrize("body", [b"H", b"HT", b"HTTP"])
def test_a_short_body_that_begins_as_a_head_does_is_no_head(body: bytes) -> None:
    talk = Conversation(from_start=False).server(answer(b"", len(body))).server(body)
    assert talk.client(get("/b")).server(OK).seen() == [
        f"? > 200 {body.decode()} (attached_mid_connection)",
        "GET /b > 200 ok",
    ]


def test_a_connection_joined_within_a_response_shows_what_follows() -> None:
    for tail in (b"ail of json", b"ok\r\n0\r\n\r\n", b"Content-Length: 3\r\n\r\nabc", b"\x00\xff" * 50):
        talk = Conversation(from_start=False).server(tail).client(get("/b")).server(OK)
        assert talk.seen() == ["GET /b > 200 ok"]


def test_a_connection_joined_within_a_pipeline_pairs_what_it_saw_asked() -> None:
    talk = Conversation(from_start=False).client(get("/a") + get("/b")).server(answer(b"A") + answer(b"B"))
    assert talk.seen() == ["GET /a > 200 A", "GET /b > 200 B"]


@pytest.mark.parametrize("tail", [b"GE", b"P", b"abc", b"field=value", b"GET on with it", b'{"a": "GET /x HTTP/1.1"}', b"a b"])
def test_the_tail_of_a_body_never_becomes_part_of_a_head(tail: bytes) -> None:
    whole = Conversation(from_start=False).client(tail).client(get("/a")).server(OK)
    assert whole.seen() == ["GET /a > 200 ok"]
    halves = Conversation(from_start=False).client(tail).client(get("/a")[:12]).client(get("/a")[12:]).server(OK)
    assert halves.seen() == ["GET /a > 200 ok"]


@pytest.mark.parametrize("parts", [1, 3, 1000])
def test_a_head_split_over_calls_is_found_by_one_who_joined_late(parts: int) -> None:
    talk = Conversation(from_start=False)
    for head, send in ((get("/a"), talk.client), (OK, talk.server)):
        for start in range(0, len(head), len(head) // parts + 1):
            send(head[start : start + len(head) // parts + 1])
    assert talk.seen() == ["GET /a > 200 ok"]


def test_only_the_beginning_of_a_call_is_taken_for_a_head() -> None:
    talk = Conversation(from_start=False).client(b"{tail}", get("/not"), b"more").client(get("/a")).server(b"tail", OK)
    assert talk.server(OK).seen() == ["GET /a > 200 ok"]


def test_a_hole_within_a_length_is_counted_and_passed() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"ab", 10)).server_loses(5).server(b"xyz")
    talk.client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > 200 ab (response_body_lost)", "GET /b > 200 ok"]
    response = talk.opened_ones[0].response
    assert (response.body_size, response.body_missing, response.complete) == (10, 8, True)
    assert response.wire_size == len(answer(b"ab", 10)) + 8


def test_a_hole_up_to_the_end_of_a_length_ends_the_body() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"ab", 10)).client(get("/b")).server_loses(8).server(OK)
    assert talk.seen() == ["GET /a > 200 ab (response_body_lost)", "GET /b > 200 ok"]


def test_a_hole_within_a_request_body_is_counted_and_passed() -> None:
    talk = Conversation().client(post("/a", 10) + b"ab").client_loses(5).client(b"xyz").server(OK)
    assert talk.seen() == ["POST /a ab > 200 ok (request_body_lost)"]


def test_a_hole_within_one_chunk_is_counted_and_passed() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + b"a\r\nab").server_loses(5).server(b"xyz\r\n0\r\n\r\n")
    assert talk.observer.idle
    assert talk.seen() == ["GET /a > 200 ab (response_body_lost)"]


def test_a_hole_over_chunk_framing_ends_the_body_at_the_next_head() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + b"a\r\nab").server_loses(9).server(b"23\r\n5\r\nlater\r\n")
    assert not talk.observer.idle
    assert talk.client(get("/b")).server(OK).seen() == [
        "GET /a > 200 ab (response_body_lost, response_body_size_unknown)",
        "GET /b > 200 ok",
    ]


def test_a_body_with_a_hole_ends_at_what_looks_like_its_last_chunk() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + b"a\r\nab").server_loses(9).server(b"5\r\nlater\r\n0\r\n\r\n")
    assert talk.observer.idle
    assert talk.client(get("/b")).server(OK).seen() == [
        "GET /a > 200 ab (response_body_lost, response_body_size_unknown)",
        "GET /b > 200 ok",
    ]


def test_a_lost_last_chunk_alone_costs_the_next_exchange_nothing() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED).server(b"2\r\nab\r\n")
    talk.client(get("/b")).server_loses(5).server(OK)
    assert talk.seen() == ["GET /a > 200 ab (response_body_lost, response_body_size_unknown)", "GET /b > 200 ok"]


def test_a_small_hole_behind_which_is_no_head_may_have_hit_one() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED).server(b"2\r\nab\r\n0\r\n\r")
    talk.client(get("/b")).server_loses(11).server(b"200 OK\r\n\r\n")
    assert talk.client(get("/c")).server(OK).seen() == [
        "GET /a > 200 ab (response_body_lost, response_body_size_unknown)",
        "GET /b > ? (response_lost)",
        "GET /c > 200 ok",
    ]


def test_a_small_hole_within_a_head_loses_it() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED).server(b"2\r\nab\r\n").client(get("/b"))
    talk.server_loses(5).server(OK[:20]).server_loses(len(OK) - 20)
    assert talk.server(OK).seen() == [
        "GET /a > 200 ab (response_body_lost, response_body_size_unknown)",
        "GET /b > ? (response_lost)",
        "? > 200 ok (request_lost)",
    ]


def test_a_hole_of_unknown_size_in_a_body_ends_it_at_the_next_head() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"ab", 10)).server_loses(-1).server(b"z")
    assert talk.client(get("/b")).server(OK).seen() == [
        "GET /a > 200 ab (response_body_lost, response_body_size_unknown)",
        "GET /b > 200 ok",
    ]


def test_a_hole_in_a_body_that_only_closing_ends() -> None:
    talk = Conversation().client(get("/a")).server(b"HTTP/1.0 200 OK\r\n\r\nab").server_loses(3).server(b"more").server_closes()
    assert talk.seen() == ["GET /a > 200 ab (response_body_lost)"]
    assert talk.opened_ones[0].response.body_size == 9


def test_a_response_whose_head_is_lost_leaves_its_request_alone() -> None:
    talk = Conversation().client(get("/a")).server_loses(len(HEAD_OF_FIVE)).server(b"hello").client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > ? (response_lost)", "GET /b > 200 ok"]


def test_a_response_of_which_the_middle_of_the_head_is_lost() -> None:
    talk = Conversation().client(get("/a")).server(OK[:20]).server_loses(4).server(OK[24:]).client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > ? (response_lost)", "GET /b > 200 ok"]


def test_a_request_whose_head_is_lost_leaves_its_response_alone() -> None:
    talk = Conversation().client_loses(40).client(b"body").server(OK).client(get("/b")).server(OK)
    assert talk.seen() == ["? > 200 ok (request_lost)", "GET /b > 200 ok"]


def test_a_response_to_a_lost_head_request_takes_nothing_of_the_next_response() -> None:
    talk = Conversation().client_loses(30).client(b"x").server(HEAD_OF_FIVE).client(get("/b")).server(b"HTT", OK[3:])
    assert talk.seen() == ["? > 200 (request_lost, response_body_unfinished)", "GET /b > 200 ok"]


def test_a_request_of_which_the_middle_of_the_head_is_lost() -> None:
    talk = Conversation().client(get("/a")[:9]).client_loses(3).client(get("/a")[12:]).server(OK).client(get("/b")).server(OK)
    assert talk.seen() == ["? > 200 ok (request_lost)", "GET /b > 200 ok"]


def test_a_response_behind_a_lost_one_is_not_paired_with_its_request() -> None:
    # Response a, and with it request b, were lost; of b only its response was seen.
    talk = Conversation().client(get("/a")).server_loses(len(OK)).server(answer(b"B"))
    talk.client_loses(len(get("/b"))).client(get("/c")).server(answer(b"C"))
    assert talk.seen() == ["GET /a > ? (response_lost)", "? > 200 B (request_lost)", "GET /c > 200 C"]


def test_a_response_behind_a_hole_is_not_paired_when_two_requests_wait() -> None:
    talk = Conversation().client(get("/a")).client(get("/b")).server_loses(len(OK)).server(answer(b"B"))
    talk.client(get("/c")).server(answer(b"C"))
    assert talk.seen() == [
        "GET /a > ? (response_lost)",
        "GET /b > ? (response_lost)",
        "? > 200 B (request_lost)",
        "GET /c > 200 C",
    ]


def test_a_request_still_being_sent_goes_on_when_its_response_is_lost() -> None:
    talk = Conversation().client(post("/a", 4) + b"bo").server_loses(30).server(b"x")
    assert not talk.finished_ones
    talk.client(b"dy")
    assert len(talk.finished_ones) == 1
    assert talk.seen() == ["POST /a body > ? (response_lost)"]


def test_a_pipelining_connection_is_paired_no_more_after_a_lost_response() -> None:
    talk = Conversation().client(get("/a") + get("/b")).server(answer(b"A")).client(get("/c"))
    # Response b is lost; c's comes when d was sent already.
    talk.client(get("/d")).server_loses(len(OK)).server(answer(b"C")).client(get("/e")).server(answer(b"D"))
    assert talk.seen() == [
        "GET /a > 200 A",
        "GET /b > ? (response_lost)",
        "GET /c > ? (response_lost)",
        "GET /d > ? (response_lost)",
        "? > 200 C (request_lost)",
        "GET /e > ? (response_lost)",
        "? > 200 D (request_lost)",
    ]


def test_a_pipelining_connection_is_paired_up_to_a_lost_request() -> None:
    talk = Conversation().client(get("/a") + get("/b")).client_loses(40).client(get("/d"))
    talk.server(answer(b"A") + answer(b"B") + answer(b"C")).server(answer(b"D"))
    assert talk.seen() == [
        "GET /a > 200 A",
        "GET /b > 200 B",
        "GET /d > ? (response_lost)",
        "? > 200 C (request_lost)",
        "? > 200 D (request_lost)",
    ]


def test_a_response_captured_before_its_request_shifts_nothing() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"A")).server(answer(b"B")).client(get("/b"))
    talk.client(get("/c")).server(answer(b"C"))
    assert talk.seen() == ["GET /a > 200 A", "? > 200 B (request_lost)", "GET /b > ? (response_lost)", "GET /c > 200 C"]


def test_a_response_that_could_not_be_recognized_is_taken_as_received_when_the_client_asks_again() -> None:
    talk = Conversation().client(get("/a")).server(b"nonsense").client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > ? (response_lost)", "GET /b > 200 ok"]


def test_an_unannounced_hole_shows_when_the_next_response_begins() -> None:
    for cut in (answer(b"ab", 9), CHUNKED + b"9\r\nab", b"HTTP/1.1 200 OK\r\n\r\nab"):
        talk = Conversation().client(get("/a")).server(cut).client(get("/b")).server(OK)
        assert talk.seen() == ["GET /a > 200 ab (response_body_unfinished)", "GET /b > 200 ok"]


def test_an_unannounced_hole_in_a_head_shows_when_the_next_head_begins() -> None:
    talk = Conversation().client(get("/a")[:22]).client(get("/b")).server(OK)
    assert talk.seen() == ["GET /b > 200 ok"]


def test_an_unannounced_hole_in_a_request_body_shows_when_the_next_request_begins() -> None:
    talk = Conversation().client(post("/a", 9) + b"ab").server(OK).client(get("/b")).server(OK)
    assert talk.seen() == ["POST /a ab > 200 ok (request_body_unfinished)", "GET /b > 200 ok"]


def test_a_hole_before_the_first_byte_does_not_turn_opaque() -> None:
    talk = Conversation().client_loses(100).client(b"EHLO\r\n").client(get("/b")).server(OK)
    assert talk.seen() == ["GET /b > 200 ok"]


def test_no_hole_is_no_hole() -> None:
    talk = Conversation().client(get("/a")).server_loses(0).client_loses(0).server_skips(0).server(OK)
    assert talk.seen() == ["GET /a > 200 ok"]


def test_skipped_bodies_are_counted_and_not_marked() -> None:
    talk = Conversation().client(post("/a", 4)).client_skips(4).server(HEAD_OF_FIVE).server_skips(2).server_skips(3)
    assert talk.observer.idle
    talk.client(get("/b")).server(OK)
    assert talk.seen() == ["POST /a > 200", "GET /b > 200 ok"]
    [first, _] = talk.opened_ones
    assert (first.request.body_size, first.request.wire_size, first.request.last_at) == (4, len(post("/a", 4)) + 4, 2)
    assert (first.response.body_size, first.response.body_missing, first.response.complete) == (5, 5, True)


def test_a_skipped_chunked_body_ends_with_its_last_chunk() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED).server_skips(300).server_skips(100, ends_chunked=True)
    assert talk.observer.idle
    [transaction] = talk.ends()
    assert (transaction.response.body_size, transaction.response.complete, transaction.incomplete) == (400, True, ())


def test_a_skipped_chunked_body_whose_end_was_not_seen_ends_at_the_next_head() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + b"5\r\nhe").server_skips(300).client(get("/b")).server(OK)
    assert talk.seen() == ["GET /a > 200 he", "GET /b > 200 ok"]
    assert talk.opened_ones[0].response.complete


def test_a_skipped_body_without_length_ends_when_the_server_closes() -> None:
    talk = (
        Conversation().client(get("/a")).server(b"HTTP/1.1 200 OK\r\n\r\n").server_skips(7, ends_chunked=True).server_closes()
    )
    [transaction] = talk.ends()
    assert (transaction.response.body_size, transaction.response.complete, transaction.incomplete) == (7, True, ())


def test_what_comes_behind_skipped_bytes_is_not_glued_to_what_came_before() -> None:
    talk = Conversation().client(get("/a")).server(answer(b"ab", 9)).server_skips(4).server(b"xyz")
    assert talk.observer.idle
    assert talk.seen() == ["GET /a > 200 ab"]


def test_a_skip_beyond_the_end_of_a_body_may_hide_a_response() -> None:
    talk = Conversation().client(get("/a") + get("/b")).server(HEAD_OF_FIVE).server_skips(5 + len(OK)).server(OK)
    assert talk.seen() == ["GET /a > 200", "GET /b > ? (response_lost)", "? > 200 ok (request_lost)"]


def test_an_unfinished_skipped_body_says_so_at_the_end() -> None:
    talk = Conversation().client(get("/a")).server(HEAD_OF_FIVE).server_skips(2).server_closes()
    assert talk.seen() == ["GET /a > 200 (response_body_unfinished)"]

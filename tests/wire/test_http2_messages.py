from __future__ import annotations

import pytest

from qtap.wire.http2_syntax import PREFACE
from tests.wire.http2_talk import GET, OK, SETTINGS, Talk, data, frame


def test_a_request_and_its_response_are_one_transaction_with_all_fields_in_order() -> None:
    talk = Talk().ask(1).answer(1, ends=False).server(data(1, b"hello", ends=True))
    (transaction,) = talk.finished_ones
    assert talk.seen() == ["GET /a?b=1 > 200 hello"]
    assert (
        transaction.request.head
        == b"GET /a?b=1 HTTP/2\r\n:method: GET\r\n:scheme: https\r\n:authority: shop\r\n:path: /a?b=1\r\n\r\n"
    )
    assert transaction.response.head == b"HTTP/2 200\r\n:status: 200\r\ncontent-type: text/plain\r\n\r\n"
    assert transaction.request.fields[2] == (b":authority", b"shop")
    assert (transaction.protocol, transaction.stream, transaction.host) == ("http2", 1, "shop")
    assert transaction.request.complete
    assert transaction.response.complete
    assert transaction.response.wire_size == len(data(1, b"hello")) + len(frame(1, 4, 1)) + 10


def test_interleaved_streams_are_told_apart() -> None:
    talk = Talk().ask(1).ask(3).answer(3, ends=False).answer(1, ends=False)
    talk.server(data(1, b"o") + data(3, b"th") + data(1, b"ne", ends=True) + data(3, b"ree", ends=True))
    assert talk.seen() == ["GET /a?b=1 > 200 one", "GET /a?b=1 > 200 three"]


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_call_may_be_captured_in_any_two_parts(cut: int) -> None:
    talk = Talk()
    block = talk.block(GET, from_client=True)
    call = frame(1, 4, 1, block) + data(1, b"abc", pad=5) + data(1, b"def", ends=True)
    talk.client(call[:cut], call[cut:]).answer(1)
    assert talk.seen() == ["GET /a?b=1 abcdef > 200"]


def test_byte_by_byte() -> None:
    talk = Talk(greeting=False)
    call = PREFACE + SETTINGS + frame(1, 4, 1, talk.block(GET, from_client=True)) + data(1, b"q", ends=True, pad=3)
    for byte in call:
        talk.client(bytes([byte]))
    for byte in SETTINGS + frame(1, 4, 1, talk.block(OK, from_client=False)) + data(1, b"a", pad=2) + data(1, b"", ends=True):
        talk.server(bytes([byte]))
    assert talk.seen() == ["GET /a?b=1 q > 200 a"]


def test_padding_priority_and_continuation() -> None:
    talk = Talk()
    block = talk.block(GET, from_client=True)
    talk.client(frame(1, 0x28, 1, b"\4" + bytes(5) + block[:3] + bytes(4)))
    talk.client(frame(9, 0, 1, block[3:4]) + frame(9, 4, 1, block[4:]) + data(1, b"x", ends=True)).answer(1)
    assert talk.seen() == ["GET /a?b=1 x > 200"]


def test_trailers_of_both_sides() -> None:
    talk = Talk().ask(1, ends=False).client(data(1, b"q")).ask(1, [("x-sum", "1")])
    talk.answer(1, ends=False).server(data(1, b"a")).answer(1, [("grpc-status", "0"), ("grpc-message", "fine")])
    (transaction,) = talk.finished_ones
    assert transaction.request.trailers == b"x-sum: 1\r\n"
    assert transaction.response.trailer_fields == [(b"grpc-status", b"0"), (b"grpc-message", b"fine")]
    assert talk.seen() == ["GET /a?b=1 q > 200 a"]


def test_interim_responses_are_kept_apart() -> None:
    talk = Talk().ask(1).answer(1, [(":status", "103"), ("link", "</x>")], ends=False).answer(1)
    (transaction,) = talk.finished_ones
    assert transaction.informational == (b"HTTP/2 103\r\n:status: 103\r\nlink: </x>\r\n\r\n",)
    assert transaction.status == 200


def test_a_response_may_end_before_its_request() -> None:
    talk = Talk().ask(1, ends=False).answer(1)
    assert not talk.finished_ones
    talk.client(data(1, b"late", ends=True))
    assert [t.incomplete for t in talk.finished_ones] == [()]


def test_a_response_that_is_captured_before_its_request_finds_it() -> None:
    talk = Talk().ask(1).answer(1)
    talk.answer(3)
    assert len(talk.finished_ones) == 1
    talk.ask(3)
    assert talk.seen() == ["GET /a?b=1 > 200", "GET /a?b=1 > 200"]


def test_a_request_that_is_not_captured_at_all_is_missed_once_the_client_goes_on() -> None:
    talk = Talk().answer(1).ask(3).answer(3)
    assert talk.seen() == ["? > 200 (request_lost)", "GET /a?b=1 > 200"]


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        (frame(3, 0, 1, (8).to_bytes(4)), "GET /a?b=1 > 200 part (response_body_unfinished, stream_reset_cancel)"),
        (frame(3, 0, 1, (99).to_bytes(4)), "GET /a?b=1 > 200 part (response_body_unfinished, stream_reset_99)"),
    ],
)
def test_a_reset_ends_a_stream(frames: bytes, shown: str) -> None:
    talk = Talk().ask(1).answer(1, ends=False).server(data(1, b"part")).client(frames).server(data(1, b"late", ends=True))
    assert len(talk.finished_ones) == 1
    assert talk.seen() == [shown]


def test_a_server_that_needs_no_more_of_a_request_commits_no_fault() -> None:
    talk = Talk().ask(1, ends=False).client(data(1, b"some")).answer(1).server(frame(3, 0, 1, bytes(4)))
    assert talk.seen() == ["GET /a?b=1 some > 200 (request_body_unfinished)"]


def test_goaway_ends_what_it_refuses_and_nothing_else() -> None:
    talk = Talk().ask(1).ask(3).server(frame(7, 0, 0, (1).to_bytes(4) + bytes(4))).answer(1)
    assert talk.seen() == ["GET /a?b=1 > 200", "GET /a?b=1 > ? (refused_by_goaway)"]


def test_pushed_responses_are_transactions_of_their_own() -> None:
    talk = Talk().ask(1, ends=True)
    promised = [*GET[:3], (":path", "/style.css")]
    talk.server(frame(5, 4, 1, (2).to_bytes(4) + talk.block(promised, from_client=False)))
    talk.answer(1).answer(2, ends=False).server(data(2, b"css", ends=True))
    assert talk.seen() == ["GET /a?b=1 > 200", "GET /style.css > 200 css"]


def test_a_body_is_cut_at_the_limit_and_counted_to_its_end() -> None:
    talk = Talk(body_limit=10).ask(1).answer(1, ends=False)
    talk.server(data(1, b"12345") + data(1, b"67890abc") + data(1, b"def", ends=True))
    (transaction,) = talk.ends()
    assert transaction.response.body == b"1234567890"
    assert transaction.response.body_missing == 6
    assert transaction.incomplete == ("response_body_cut",)


def test_without_bodies_nothing_counts_as_cut() -> None:
    talk = Talk(body_limit=0).ask(1).answer(1, ends=False).server(data(1, b"12345", ends=True))
    assert talk.seen() == ["GET /a?b=1 > 200"]
    assert talk.finished_ones[0].response.body_size == 5


def test_host_stands_in_for_authority() -> None:
    talk = Talk().ask(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "old")]).answer(1)
    assert talk.finished_ones[0].host == "old"


def test_grpc_is_told_by_its_content_type() -> None:
    talk = Talk().ask(1, [*GET, ("content-type", "application/grpc+proto")]).answer(1)
    talk.ask(3, [*GET, ("content-type", "application/grpc-web+proto")]).answer(3)
    assert [t.protocol for t in talk.ends()] == ["grpc", "http2"]


def test_a_head_that_unpacks_to_more_than_a_megabyte_is_cut_and_says_so() -> None:
    talk = Talk()
    talk.client(frame(1, 5, 1, b"\x82\x87\x84\x40\x01x\x7f\x81\x1e" + b"v" * 3968 + b"\xbe" * 900)).answer(1)
    head = talk.finished_ones[0].request.head
    assert len(head) < 1 << 21
    assert "‹unknown›: more than 1048576 bytes".encode() in head


def test_frames_of_unknown_types_are_passed_over() -> None:
    talk = Talk().client(frame(0xA, 0, 0, b"alt-svc") + frame(0x10, 0, 0, bytes(4) + b"u=1")).ask(1)
    talk.server(frame(0xFA, 255, 77, b"x" * 30)).answer(1)
    assert talk.seen() == ["GET /a?b=1 > 200"]


def test_closing_ends_what_was_not_answered() -> None:
    talk = Talk().ask(1).ask(3).answer(3, ends=False).server(data(3, b"par"))
    talk.observer.close(False, 9)  # noqa: FBT003 - the interface of the observer
    assert talk.seen("") == [
        "GET /a?b=1 > ? (closed_without_response)",
        "GET /a?b=1 > 200 par (response_body_unfinished)",
    ]


def test_what_capture_ended_is_marked() -> None:
    assert Talk().ask(1, ends=False).seen() == ["GET /a?b=1 > ? (request_body_unfinished, capture_ended)"]


def test_streams_that_never_end_are_bounded() -> None:
    talk = Talk()
    for number in range(4200):
        talk.ask(2 * number + 1)
    assert len(talk.opened_ones) - len(talk.finished_ones) == 4096


def test_a_line_end_in_a_pseudo_header_field_makes_no_line_of_its_own() -> None:
    talk = Talk().client(frame(1, 5, 1, b"\x82\x87\x04\x0c/a\r\nx: y\r\n\r\n")).answer(1)
    (transaction,) = talk.ends()
    assert transaction.target == r"/a\r\nx: y\r\n\r\n"
    assert transaction.request.head.count(b"\r\n") == 5
    assert transaction.request.fields[-1] == (b":path", rb"/a\r\nx: y\r\n\r\n")


def _long_field(size: int) -> bytes:
    """A literal with a name of one byte, inserted into the dynamic table (RFC 7541 section 6.2.1)."""
    rest, length = size - 127, bytearray((127,))
    while rest >= 128:
        length.append(rest & 127 | 128)
        rest >>= 7
    return b"\x40\x01a" + bytes(length) + bytes((rest,)) + b"v" * size


def test_heads_and_trailers_that_unpack_to_much_are_bounded() -> None:
    talk = Talk()
    talk.client(frame(1, 4, 1, b"\x82\x84\x86" + _long_field(4000)))
    for stream in range(3, 603, 2):
        talk.client(frame(1, 4, stream, b"\x82\x84\x86" + b"\xbe" * 250))
    held = sum(len(t.request.head) for t in talk.opened_ones if not t.finished)
    assert held < 40 << 20
    assert "response_lost" in talk.opened_ones[0].incomplete
    for _ in range(10):
        talk.client(frame(1, 4, 601, b"\xbe" * 250))
        talk.server(frame(1, 4, 601, b"\x48\x03103" + _long_field(4000) + b"\xbe" * 100))
    assert len(talk.opened_ones[-1].request.trailers) < 3 << 20
    assert "request_headers_unknown" in talk.opened_ones[-1].incomplete
    assert sum(map(len, talk.opened_ones[-1].informational)) < 2 << 20
    talk.ends()


def test_a_large_header_block_that_is_half_there_is_given_up_when_memory_is_short() -> None:
    talk = Talk().client(frame(1, 0, 1, bytes(20_000)))
    assert talk.observer.held > 20_000
    talk.observer.keep_no_more()
    assert talk.observer.held == 0
    talk.ask(3).answer(3)
    assert [transaction.status for transaction in talk.finished_ones] == [200]

"""CONNECT over HTTP/2: a WebSocket in a stream shows its messages, any other protocol is counted; streams are told apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from qtap.model import Transaction
from tests.wire.http2_talk import GET, OK, Field, Talk, data, frame
from tests.wire.websocket_talk import deflate, show, text
from tests.wire.websocket_talk import frame as message

CONNECT: list[Field] = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]]
PLAIN: list[Field] = [(":method", "CONNECT"), (":authority", "db:5432")]
ACCEPTED: list[Field] = [(":status", "200")]
DEFLATED: list[Field] = [*ACCEPTED, ("sec-websocket-extensions", "permessage-deflate")]
CLOSE = message(Opcode.CLOSE, b"\x03\xe8")
MASKED_CLOSE = message(Opcode.CLOSE, b"\x03\xe8", mask=True)


def opened(accepted: list[Field] = ACCEPTED, *, body_limit: int = 1 << 20) -> Talk:
    return Talk(body_limit=body_limit).ask(1, CONNECT, ends=False).answer(1, accepted, ends=False)


def socket_of(transaction: Transaction) -> list[str]:
    assert transaction.websocket
    return [show(one) for one in transaction.websocket.messages]


def test_messages_of_both_sides_belong_to_the_transaction_that_connected() -> None:
    talk = opened().client(data(1, text("hello", mask=True))).server(data(1, text("hi") + message(Opcode.PING, b"p"), pad=7))
    talk.client(data(1, message(Opcode.PONG, b"p", mask=True) + MASKED_CLOSE)).server(data(1, CLOSE, ends=True))
    assert not talk.finished_ones
    talk.client(data(1, b"", ends=True))
    (one,) = talk.finished_ones
    assert socket_of(one) == ["> text hello", "< text hi", "< ping p", "> pong p", "> close \x03è", "< close \x03è"]
    assert (one.method, one.target, one.status, one.opaque, one.incomplete) == ("CONNECT", "/a?b=1", 200, False, ())
    assert one.request.body == one.response.body == b""
    assert (one.request.body_size, one.response.body_size) == (0, 0)
    assert one.request.complete
    assert one.response.complete


def test_the_bytes_and_the_time_of_the_stream_are_the_transactions() -> None:
    talk = opened()
    asked, answered = talk.opened_ones[0].request.wire_size, talk.opened_ones[0].response.wire_size
    sent, came = data(1, text("a" * 1000, mask=True)), data(1, text("b" * 10_000), pad=9)
    talk.client(sent).server(came[:500], came[500:])
    one = talk.opened_ones[0]
    assert (one.request.wire_size - asked, one.response.wire_size - answered) == (len(sent), len(came))
    assert one.ended_at == talk.at
    assert one.waiting == 1


def test_deflated_messages_are_inflated_as_the_response_agreed() -> None:
    talk, ours, theirs = opened(DEFLATED), deflate(), deflate()
    for n in range(3):
        talk.client(data(1, text(f"the same text again {n}", mask=True, extension=ours)))
        talk.server(data(1, text(f"the same answer again {n}", extension=theirs)))
    lines = [line for n in range(3) for line in (f"> text the same text again {n}", f"< text the same answer again {n}")]
    assert socket_of(talk.opened_ones[0]) == lines


def test_what_the_client_is_seen_to_send_before_the_answer_is_seen_belongs_to_the_socket() -> None:
    talk = Talk().ask(1, CONNECT, ends=False).client(data(1, text("early", mask=True))).answer(1, ACCEPTED, ends=False)
    talk.client(data(1, text("later", mask=True)))
    (one,) = talk.ends()
    assert socket_of(one) == ["> text early", "> text later"]
    assert (one.request.body, one.request.body_size, one.incomplete) == (b"", 0, ("capture_ended",))


def test_an_answer_that_is_captured_before_the_request_opens_the_socket_too() -> None:
    talk = Talk().ask(1).answer(1).answer(3, ACCEPTED, ends=False).server(data(3, text("early"))).ask(3, CONNECT, ends=False)
    talk.server(data(3, text("later")))
    assert socket_of(talk.ends()[1]) == ["< text early", "< text later"]


def test_a_connect_that_is_refused_is_a_request_like_any_other() -> None:
    talk = Talk().ask(1, PLAIN, ends=False).client(data(1, b"eager")).answer(1, [(":status", "403")], ends=False)
    talk.server(data(1, b"no", ends=True)).client(data(1, b"", ends=True))
    assert talk.seen() == ["CONNECT db:5432 eager > 403 no"]


@pytest.mark.parametrize("fields", [PLAIN, [*CONNECT[:1], (":protocol", "connect-udp"), *GET[1:]]])
def test_any_other_protocol_is_opaque_and_its_bytes_are_counted(fields: list[Field]) -> None:
    talk = Talk().ask(1, fields, ends=False).answer(1, ACCEPTED, ends=False)
    one = talk.opened_ones[0]
    asked, answered = one.request.wire_size, one.response.wire_size
    talk.client(data(1, b"q" * 700)).server(data(1, b"a" * 900)[:99]).loses(810, from_client=False)
    talk.server(data(1, b"", ends=True)).client(data(1, b"", ends=True))
    assert (one.opaque, bool(one.websocket), one.incomplete, one.finished) == (True, False, (), True)
    assert (one.request.wire_size - asked, one.response.wire_size - answered) == (9 + 700 + 9, 9 + 900 + 9)
    assert one.request.body == one.response.body == b""


def test_bytes_of_a_tunnel_that_may_have_been_lost_make_its_size_unknown() -> None:
    talk = Talk().ask(1, PLAIN, ends=False).answer(1, ACCEPTED, ends=False).loses(500, from_client=False)
    assert talk.seen() == ["CONNECT db:5432 > 200 (response_body_size_unknown, capture_ended, opaque)"]


def test_below_level_full_no_number_of_messages_is_claimed() -> None:
    talk = opened(body_limit=0).server(data(1, text("hi")))
    (one,) = talk.ends()
    assert (bool(one.websocket), one.opaque, one.incomplete) == (False, False, ("capture_ended",))


@pytest.mark.parametrize("code", [0, 8])
def test_a_reset_behind_both_close_frames_is_no_fault(code: int) -> None:
    talk = opened().server(data(1, CLOSE)).client(data(1, MASKED_CLOSE)).client(frame(3, 0, 1, code.to_bytes(4)))
    assert [one.incomplete for one in talk.finished_ones] == [()]


def test_a_reset_before_that_is_one_and_ends_what_was_half_there() -> None:
    talk = opened().server(data(1, text("half")[:4])).client(frame(3, 0, 1, (8).to_bytes(4)))
    assert socket_of(talk.finished_ones[0]) == ["< text ha (unfinished)"]
    assert talk.finished_ones[0].incomplete == ("stream_reset_cancel",)


def test_a_loss_within_a_payload_is_exact_and_the_other_side_unharmed() -> None:
    call = data(1, text("x" * 100) + text("next"))
    talk = opened().server(call[:21]).loses(20, from_client=False).server(call[41:]).client(data(1, text("mine", mask=True)))
    (one,) = talk.ends()
    assert socket_of(one) == ["< text " + "x" * 10 + " (lost)", "< text next", "> text mine"]
    assert one.incomplete == ("messages_lost", "capture_ended")


def test_behind_lost_frames_messages_go_on_at_the_next_frame_of_data() -> None:
    talk = opened().server(data(1, text("one"))).loses(500, from_client=False).server(data(1, text("three")))
    for number in range(100):  # a quiet socket is not given up
        talk.ask(2 * number + 3).answer(2 * number + 3)
    talk.client(data(1, text("here", mask=True)))
    assert socket_of(talk.opened_ones[0]) == ["< text one", "< text three", "> text here"]
    assert talk.opened_ones[0].incomplete == ("messages_lost",)
    assert not talk.opened_ones[0].finished


def test_messages_count_as_memory_and_the_oldest_go_when_it_is_short() -> None:
    talk = opened()
    for _ in range(20):
        talk.server(data(1, text("x" * 15_000)))
    assert talk.observer.held > 300_000
    talk.observer.keep_no_more()
    assert talk.observer.held < 1 << 17
    assert "messages_dropped" in talk.opened_ones[0].incomplete


SAID = st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), min_size=1, max_size=6)
CUTS = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(SAID, CUTS, CUTS, st.booleans())
def test_however_messages_are_cut_into_frames_and_calls_they_are_the_same(
    said: list[tuple[bool, bytes]], frames: list[int], calls: list[int], deflated: bool
) -> None:
    talk = opened(DEFLATED if deflated else ACCEPTED)
    makers, step = [deflate() if deflated else None for _ in range(2)], 0
    for from_client, payload in said:
        rest, wire = message(Opcode.BINARY, payload, mask=from_client, extension=makers[from_client]), b""
        while rest:
            step += 1
            size = frames[step % len(frames)]
            wire += data(1, rest[:size], pad=size % 7 - 1) + data(5, b"of no stream")
            rest = rest[size:]
        while wire:
            step += 1
            size = calls[step % len(calls)]
            talk.call([wire[:size]], from_client=from_client)
            wire = wire[size:]
    (one,) = talk.ends()
    assert one.websocket
    assert [(each.from_client, each.payload) for each in one.websocket.messages] == said
    assert one.incomplete == ("capture_ended",)


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=10),
    st.integers(0, 2500),
    st.integers(1, 400),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=200)
def test_no_message_is_made_up_across_a_loss(sizes: list[int], start: int, size: int, deflated: bool, known: bool) -> None:
    extension = deflate() if deflated else None
    sent = [f"{n}:" + "v" * length for n, length in enumerate(sizes)]
    talk, at = opened(DEFLATED if deflated else ACCEPTED), 0
    for call in [data(1, text(each, extension=extension)) for each in sent]:
        first, last = max(start, at), min(start + size, at + len(call))
        if first < last:
            talk.call([call[: first - at]] * (first > at), from_client=False)
            talk.loses(last - first if known else -1, from_client=False)
            talk.observer.feed(False, call[last - at :], talk.at, boundary=False)  # noqa: FBT003 - the interface
        else:
            talk.server(call)
        at += len(call)
    (one,) = talk.ends()
    found = one.websocket.messages if one.websocket else []
    whole = [each.payload.decode() for each in found if not each.faults]
    assert set(whole) <= set(sent)
    assert len(whole) == len(set(whole))
    assert all(any(each.encode().startswith(one.payload) for each in sent) for one in found)


STEPS = st.lists(
    st.tuples(
        st.sampled_from("cskgCSXr"), st.sampled_from([1, 3]), st.binary(max_size=30) | st.just(text("x")), st.integers(-1, 60)
    ),
    max_size=25,
)


@given(STEPS, st.sampled_from([CONNECT, PLAIN]), st.integers(0, 600))
@settings(max_examples=200)
def test_anything_at_all_keeps_the_contract(steps: list[tuple[str, int, bytes, int]], fields: list[Field], limit: int) -> None:
    talk = Talk(body_limit=limit).ask(1, fields, ends=False)
    for kind, stream, payload, size in steps:
        if kind in "csCS":
            talk.call([data(stream, payload, ends=kind.isupper(), pad=size)], from_client=kind in "cC")
        elif kind in "kg":
            talk.loses(size, from_client=kind == "k")
        elif kind == "X":
            talk.answer(stream, OK, ends=False)
        else:
            talk.server(frame(3, 0, stream, bytes(4)))
        assert talk.observer.held <= 4 * limit + (1 << 17)
    for one in talk.ends():
        if one.opaque or one.websocket:
            assert not one.request.body
            assert not one.response.body

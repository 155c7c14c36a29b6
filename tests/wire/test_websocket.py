from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.wire.websocket_talk import Talk, deflate, frame, text

WITH_TAKEOVER = "permessage-deflate"
WITHOUT_TAKEOVER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12"


def test_messages_of_both_sides_belong_to_the_transaction_of_the_upgrade() -> None:
    talk = Talk().client(text("hello", mask=True)).server(text("hi"), frame(Opcode.BINARY, b"\0\xff"))
    talk.client(frame(Opcode.PING, b"p", mask=True)).server(frame(Opcode.PONG, b"p"))
    assert not talk.finished_ones
    talk.server(frame(Opcode.CLOSE, b"\x03\xe8")).client(frame(Opcode.CLOSE, b"\x03\xe8", mask=True)).closes()
    assert talk.seen == ["> text hello", "< text hi", "< binary \0ÿ", "> ping p", "< pong p", "< close \x03è", "> close \x03è"]
    assert talk.finished_ones == [talk.transaction]
    assert (talk.socket.from_client, talk.socket.from_server, talk.transaction.incomplete) == (3, 4, ())


def test_the_bytes_and_the_time_of_the_connection_are_the_transactions() -> None:
    talk = Talk()
    asked, answered = talk.transaction.request.wire_size, talk.transaction.response.wire_size
    sent, came = text("a" * 1000, mask=True), text("b" * 70_000)
    talk.client(sent).server(came)
    assert talk.transaction.request.wire_size - asked == len(sent)
    assert talk.transaction.response.wire_size - answered == len(came)
    assert talk.transaction.ended_at == talk.at
    assert talk.transaction.waiting == 1


def test_control_frames_stand_between_the_fragments_of_a_message() -> None:
    talk = Talk().server(
        frame(Opcode.TEXT, b"one ", fin=False)
        + frame(Opcode.PING, b"x")
        + frame(Opcode.CONT, b"two ", fin=False)
        + frame(Opcode.CONT, b"three")
    )
    assert talk.seen == ["< ping x", "< text one two three"]


@pytest.mark.parametrize("takeover", [True, False])
def test_deflated_messages_are_inflated(takeover: bool) -> None:
    talk, ours, theirs = (
        Talk(extensions=WITH_TAKEOVER if takeover else WITHOUT_TAKEOVER),
        deflate(takeover=takeover),
        deflate(takeover=takeover),
    )
    for n in range(5):
        talk.client(text(f"the same text again {n}", mask=True, extension=ours))
        talk.server(text(f"the same answer again {n}", extension=theirs))
    talk.server(text("plain"))
    wanted = [line for n in range(5) for line in (f"> text the same text again {n}", f"< text the same answer again {n}")]
    assert talk.seen == [*wanted, "< text plain"]
    assert talk.messages[0].size == len("the same text again 0")
    assert [message.compressed for message in talk.messages] == [True] * 10 + [False]


def test_behind_a_loss_a_deflated_message_that_may_refer_to_it_is_not_read() -> None:
    talk, theirs = Talk(extensions=WITH_TAKEOVER), deflate()
    talk.server(text("the same text", extension=theirs))
    lost = text("the same text, lost", extension=theirs)
    talk.loses(len(lost), from_client=False)
    talk.server(text("the same text, behind", extension=theirs)).client(text("mine", mask=True, extension=deflate()))
    assert talk.seen == ["< text the same text", "< text  (unreadable)", "> text mine"]
    assert talk.transaction.incomplete == ("messages_lost", "messages_unreadable")


def test_behind_a_loss_a_deflated_message_that_stands_alone_is_read() -> None:
    talk, theirs = Talk(extensions=WITHOUT_TAKEOVER), deflate(takeover=False)
    talk.server(text("one", extension=theirs)).loses(50, from_client=False)
    talk.server(text("three", extension=theirs))
    assert talk.seen == ["< text one", "< text three"]


def test_a_loss_inside_a_payload_is_exact() -> None:
    message = text("x" * 100) + text("next")
    talk = Talk().server(message[:12]).loses(20, from_client=False).server(message[32:])
    assert talk.seen == ["< text " + "x" * 10 + " (lost)", "< text next"]
    assert talk.messages[0].size == 100
    assert talk.transaction.incomplete == ("messages_lost",)


def test_a_loss_of_unknown_size_goes_on_at_the_next_call_of_whole_frames() -> None:
    talk = Talk().server(frame(Opcode.TEXT, b"half", fin=False)).loses(-1, from_client=False)
    talk.server(b"middle of something").server(text("whole") + frame(Opcode.PING, b""))
    assert talk.seen == ["< text half (lost)", "< text whole", "< ping "]


def test_what_is_no_frame_is_not_read() -> None:
    talk = Talk().server(b"HTTP/1.1 200 OK\r\n\r\n").client(text("unmasked")).client(text("good", mask=True))
    assert talk.seen == ["> text good"]
    assert talk.transaction.incomplete == ("messages_lost",)


def test_an_unknown_extension_leaves_payloads_unread() -> None:
    talk = Talk(extensions="x-other").server(text("changed in a way nobody knows"))
    assert talk.seen == ["< text  (unreadable)"]


def test_deflate_that_was_not_agreed_on_is_no_frame() -> None:
    talk = Talk().server(text("x", extension=deflate()))
    assert talk.seen == []


def test_the_latest_messages_are_kept_within_the_limit_and_all_are_counted() -> None:
    talk = Talk(limit=10_000)
    for n in range(1000):
        talk.server(text(f"{n:03} " + "y" * 100))
        assert talk.observer.held <= 10_000
    assert talk.socket.from_server == 1000
    assert talk.socket.dropped + len(talk.messages) == 1000
    assert len(talk.messages) > 20
    assert talk.messages[-1].payload.startswith(b"999 ")
    assert talk.transaction.incomplete == ("messages_dropped",)
    assert talk.socket.cost == talk.observer.held


def test_a_long_message_is_cut_and_counted() -> None:
    talk = Talk(limit=1000).server(text("z" * 5000)).server(text("next"))
    assert [(message.size, len(message.payload), message.faults) for message in talk.messages] == [(4, 4, ())]
    assert talk.transaction.incomplete == ("messages_cut", "messages_dropped")
    assert talk.transaction.response.wire_size > 5000


def test_a_bomb_is_given_up() -> None:
    talk, theirs = Talk(extensions=WITH_TAKEOVER, limit=100_000), deflate()
    talk.server(text("0" * 50_000_000, extension=theirs))
    assert talk.messages[0].faults == ("unreadable",)
    talk.server(text("0" * 10, extension=theirs))
    assert talk.seen[-1] == "< text  (unreadable)"


def test_when_memory_is_short_only_the_latest_are_kept() -> None:
    talk = Talk()
    for _ in range(20):
        talk.server(text("x" * 20_000))
    talk.observer.keep_no_more()
    assert talk.observer.held <= 1 << 16
    assert talk.socket.from_server == 20


def test_an_end_of_capture_leaves_what_was_seen() -> None:
    talk = Talk().server(text("half")[:4])
    talk.observer.end(9, "capture_ended")
    talk.observer.end(9, "capture_ended")
    talk.server(text("late"))
    assert talk.seen == ["< text ha (unfinished)"]
    assert talk.finished_ones == [talk.transaction]
    assert talk.transaction.incomplete == ("capture_ended",)


def test_below_level_full_bytes_are_counted_and_no_number_of_messages_is_claimed() -> None:
    talk = Talk()
    before = talk.transaction.request.wire_size
    talk.observer.skip(True, 500, 3)  # noqa: FBT003 - the interface of the observer
    talk.closes()
    assert talk.transaction.request.wire_size - before == 500
    assert not talk.transaction.websocket
    assert talk.transaction.incomplete == ()
    assert talk.finished_ones == [talk.transaction]


MESSAGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=300), st.integers(1, 4)),
    max_size=6,
)


@given(MESSAGES, st.sampled_from(["", WITH_TAKEOVER, WITHOUT_TAKEOVER]), st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_however_it_is_cut_into_frames_and_calls_the_messages_are_the_same(
    messages: list[tuple[bool, Opcode, bytes, int]], extensions: str, cuts: list[int]
) -> None:
    makers = [deflate(takeover=extensions == WITH_TAKEOVER) if extensions else None for _ in range(2)]
    talk, step = Talk(extensions=extensions), 0
    for from_client, opcode, data, pieces in messages:
        wire = b""
        for piece in range(pieces):
            part = data[len(data) * piece // pieces : len(data) * (piece + 1) // pieces]
            last = piece == pieces - 1
            wire += frame(Opcode.CONT if piece else opcode, part, fin=last, mask=from_client, extension=makers[from_client])
            wire += frame(Opcode.PING, b"", mask=from_client) if not last else b""
        while wire:
            size = cuts[step % len(cuts)]
            step += 1
            (talk.client if from_client else talk.server)(wire[:size])
            wire = wire[size:]
    seen = [(message.from_client, message.kind, message.payload) for message in talk.messages if message.kind != "ping"]
    assert seen == [(from_client, opcode.name.lower(), data) for from_client, opcode, data, _ in messages]
    assert talk.transaction.incomplete == ()


CHUNKS = (
    st.binary(max_size=40)
    | st.builds(text, st.text(max_size=30), mask=st.booleans())
    | st.builds(lambda first, mask, data: bytes((first, mask << 7 | len(data))) + mask * b"mask" + data,
                st.integers(0, 255), st.booleans(), st.binary(max_size=20))
)  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["feed", "gap"]), CHUNKS, st.integers(-1, 60)), max_size=25))
def test_anything_at_all_keeps_the_contract(steps: list[tuple[bool, str, bytes, int]]) -> None:
    talk = Talk(extensions=WITH_TAKEOVER, limit=500)
    for from_client, what, data, size in steps:
        if what == "feed":
            (talk.client if from_client else talk.server)(data)
        else:
            talk.loses(size, from_client=from_client)
        assert len(talk.messages) <= 3
    talk.closes()
    assert talk.finished_ones == [talk.transaction]
    assert talk.socket.dropped + len(talk.messages) == talk.socket.from_client + talk.socket.from_server


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(0, 2000), st.integers(1, 300), st.booleans())
def test_no_message_is_made_up_across_a_loss(sizes: list[int], start: int, size: int, deflated: bool) -> None:
    extension = deflate() if deflated else None
    sent = [f"{n}:" + "v" * length for n, length in enumerate(sizes)]
    calls = [text(each, extension=extension) for each in sent]
    talk, at = Talk(extensions=WITH_TAKEOVER if deflated else ""), 0
    for call in calls:
        first, last = max(start, at), min(start + size, at + len(call))
        if first >= last:
            talk.server(call)
        else:
            if first > at:
                talk.server(call[: first - at])
            talk.loses(last - first, from_client=False)
            if last < at + len(call):
                talk.observer.feed(False, call[last - at :], talk.at, boundary=False)  # noqa: FBT003 - the interface
        at += len(call)
    whole = [message.payload.decode() for message in talk.closes().messages if not message.faults]
    assert set(whole) <= set(sent)
    assert len(whole) == len(set(whole))
    for message in talk.messages:
        assert any(each.encode().startswith(message.payload) for each in sent)

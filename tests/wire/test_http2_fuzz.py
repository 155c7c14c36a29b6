"""Anything at all may happen on a connection: the observer keeps its contract and its bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from qtap.wire.http2_attach import Attach
from qtap.wire.http2_syntax import PREFACE
from tests.wire.http2_talk import GET, OK, SETTINGS, Talk, data, frame, traffic

FRAME = st.builds(
    frame,
    st.integers(0, 11),
    st.sampled_from([0, 1, 4, 5, 8, 9, 12, 0x20, 0x2D, 255]),
    st.sampled_from([0, 1, 2, 3, 5, 7, 1 << 31, (1 << 31) - 1]),
    st.binary(max_size=24) | st.sampled_from([b"\x82\x87\x84\xbe", b"\x88\x62", bytes(4), b"\0\0\0\2\x82"]),
)
PIECE = (
    FRAME
    | st.binary(max_size=40)
    | st.sampled_from([PREFACE, PREFACE[:9], SETTINGS, data(1, b"x" * 300), b"HTTP/1.1 200 OK\r\n\r\n"])
)
STEP = st.tuples(st.sampled_from("cskgCSe"), st.lists(PIECE, max_size=3), st.integers(-1, 400))


@given(st.lists(STEP, max_size=25), st.booleans(), st.integers(0, 30))
@settings(max_examples=300)
def test_the_contract_holds_whatever_comes(steps: list[tuple[str, list[bytes], int]], from_start: bool, limit: int) -> None:
    talk = Talk(from_start=from_start, body_limit=limit)
    for kind, parts, size in steps:
        if kind in "cs":
            talk.call(parts, from_client=kind == "c")
        elif kind in "kg":
            talk.loses(size, from_client=kind == "k")
        elif kind in "CS":
            talk.observer.skip(kind == "C", size, talk.at)
        else:
            talk.observer.close(size > 200, talk.at)
        # Whole bodies up to the limit, and half-read frames and header blocks.
        assert talk.observer.held <= limit * 2 * (len(talk.opened_ones) + 1) + (2 << 20)
    for transaction in talk.ends():
        assert len(transaction.request.body) <= limit
        assert transaction.request.body_missing >= 0
        assert transaction.response.body_missing >= 0


@given(st.lists(st.tuples(st.integers(0, 1), PIECE), max_size=25))
def test_looking_for_http2_never_raises_and_holds_little(calls: list[tuple[int, bytes]]) -> None:
    attach = Attach()
    for direction, payload in calls:
        if attach.feed(direction, payload, 1, boundary=True) is not None:
            break


def test_http2_is_found_from_any_call_on_and_its_client_with_it() -> None:
    calls, _ = traffic(40)
    for first in range(1, len(calls) - 10):
        attach = Attach()
        verdict = None
        for from_client, payload in calls[first:]:
            verdict = attach.feed(from_client, payload, 1, boundary=True)
            if verdict is not None:
                break
        assert verdict == 1


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=30))
@settings(max_examples=200)
def test_noise_is_never_taken_for_http2(payloads: list[bytes]) -> None:
    attach = Attach()
    assert all(attach.feed(index & 1, payload, 1, boundary=True) is None for index, payload in enumerate(payloads))


def test_a_block_without_pseudo_header_fields_convinces_nobody() -> None:
    talk = Talk()
    attach = Attach()
    assert attach.feed(0, frame(1, 5, 9, talk.block([("grpc-status", "0")], from_client=False)), 1, boundary=True) is None
    assert attach.feed(0, frame(1, 5, 9, talk.block(OK, from_client=False)), 1, boundary=True) == 1
    assert Attach().feed(0, frame(1, 5, 9, talk.block(GET, from_client=True)), 1, boundary=True) == 0

"""Real HTTP/2 traffic seen late, or with holes anywhere: a field is right or marked, and no message is mixed with another."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtap.model import Transaction
from tests.wire.http2_talk import Call, Talk, check, data, frame, traffic

CALLS, TRUTHS = traffic(60)


def play(calls: list[Call], lost: set[int], *, from_start: bool = True, known: bool = True) -> list[Transaction]:
    """Feed the calls but for the lost ones, which are reported as late as a reader can learn of them."""
    talk = Talk(from_start=from_start, greeting=False)
    missing = {True: 0, False: 0}
    for index, (from_client, payload) in enumerate(calls):
        if index in lost:
            missing[from_client] += len(payload)
            continue
        if missing[from_client]:
            talk.loses(missing[from_client] if known else -1, from_client=from_client)
            missing[from_client] = 0
        talk.call([payload], from_client=from_client)
    return talk.ends()


def test_all_of_it() -> None:
    assert check(play(CALLS, set()), TRUTHS) == (60, 60)


@pytest.mark.parametrize("first", range(1, len(CALLS), 3))
def test_attached_before_any_call_a_field_is_right_or_unknown(first: int) -> None:
    whole, count = check(play(CALLS[first:], set(), from_start=False), TRUTHS)
    assert count > (len(CALLS) - first) // 6
    assert whole <= count


def apart(payload: bytes) -> Iterator[bytes]:
    """Give the calls of a reader that takes each frame's header and its payload apart, as Go's server does."""
    while payload:
        end = 9 + int.from_bytes(payload[:3])
        yield payload[:9]
        if end > 9:
            yield payload[9:end]
        payload = payload[end:]


@pytest.mark.parametrize("first", range(1, len(CALLS) * 3 // 4, 3))
def test_attached_to_a_reader_that_takes_headers_of_frames_apart(first: int) -> None:
    calls = [(from_client, part) for from_client, call in CALLS[first:] for part in (apart(call) if from_client else [call])]
    index = next(index for index, (from_client, _) in enumerate(calls) if from_client)
    # It waited for the header of a frame when capture began: that call was not seen.
    found = play(calls[:index] + calls[index + 1 :], set(), from_start=False)
    check(found, TRUTHS)
    assert sum(one.method in {"POST", "GET"} for one in found) > (len(CALLS) - first) // 6


@pytest.mark.parametrize("first", range(1, len(CALLS) * 3 // 4, 3))
@pytest.mark.parametrize("size", [10, 23, 40])
def test_attached_to_a_writer_whose_calls_are_seen_in_small_parts(first: int, size: int) -> None:
    talk = Talk(from_start=False, greeting=False)
    for from_client, call in CALLS[first:]:
        talk.call([call[start : start + size] for start in range(0, len(call), size)], from_client=from_client)
    found = talk.ends()
    check(found, TRUTHS)
    whole = Talk(from_start=False, greeting=False)
    for from_client, call in CALLS[first:]:
        whole.call([call], from_client=from_client)
    assert len(found) >= len(whole.ends())


def test_a_header_of_a_frame_alone_convinces_only_with_the_payload_that_it_tells_of() -> None:
    for payload in (b"12345678", b"1234567890"):
        talk = Talk(from_start=False).client(frame(0, 0, 1, b"123456789")[:9]).client(payload)
        assert not talk.observer._requests.in_step  # noqa: SLF001 - the state that is told of
    talk = Talk(from_start=False).client(frame(0, 0, 1, b"123456789")[:9]).loses(1, from_client=True).client(b"123456789")
    assert not talk.observer._requests.in_step  # noqa: SLF001 - the state that is told of
    assert Talk(from_start=False).client(frame(0, 0, 1, b"123456789")[:9]).client(b"123456789").observer._requests.in_step  # noqa: SLF001 - the state that is told of


@pytest.mark.parametrize("known", [True, False])
def test_one_call_lost_anywhere(known: bool) -> None:
    for gone in range(len(CALLS)):
        _, count = check(play(CALLS, {gone}, known=known), TRUTHS)
        assert count >= 56


@given(st.sets(st.integers(0, len(CALLS) - 1), max_size=30), st.integers(0, 40), st.booleans())
@settings(max_examples=60)
def test_any_calls_lost(lost: set[int], first: int, known: bool) -> None:
    check(play(CALLS[first:], lost, from_start=not first, known=known), TRUTHS)


@given(st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_bytes_lost_anywhere_in_a_call(rng: random.Random) -> None:
    talk = Talk(greeting=False)
    holes = set(rng.sample(range(len(CALLS)), 3))
    for index, (from_client, payload) in enumerate(CALLS):
        if index not in holes or len(payload) < 2:
            talk.call([payload], from_client=from_client)
            continue
        start = rng.randrange(len(payload))
        end = rng.randrange(start + 1, len(payload) + 1)
        talk.observer.feed(from_client, payload[:start], 1)
        talk.loses(end - start, from_client=from_client)
        talk.observer.feed(from_client, payload[end:], 1, boundary=False)
    check(talk.ends(), TRUTHS)


def test_a_loss_within_a_body_is_exact_and_costs_no_other_stream_anything() -> None:
    talk = Talk().ask(1).answer(1, ends=False)
    call = data(1, b"0123456789" * 10, ends=True)
    talk.server(call[:20]).loses(50, from_client=False).server(call[70:])
    talk.ask(3).answer(3)
    assert talk.seen() == ["GET /a?b=1 > 200 01234567890 (response_body_lost)", "GET /a?b=1 > 200"]
    assert talk.finished_ones[0].response.body_size == 100


@pytest.mark.parametrize("size", [70, 71, 200, -1])
@pytest.mark.parametrize("pad", [-1, 5])
def test_a_loss_that_goes_on_behind_a_frame_of_data_counts_what_that_frame_announced(size: int, pad: int) -> None:
    talk = Talk().ask(1).ask(3).answer(1, ends=False).answer(3, ends=False)
    call = data(1, b"0123456789" * 10, pad=pad)
    talk.server(call[: call.index(b"3456789012")]).loses(97 + max(pad, 0) + size if size > 0 else size, from_client=False)
    talk.server(data(1, b"more", ends=True)).server(data(3, b"", ends=True))
    first, second = talk.ends()
    assert (first.response.body, first.response.body_size) == (b"012", 104)
    assert first.incomplete == second.incomplete == ("response_body_lost", "response_body_size_unknown")


def test_a_loss_that_hides_the_end_of_the_last_frame_of_a_body_leaves_its_size_exact() -> None:
    talk = Talk().ask(1).ask(3).answer(1, ends=False).answer(3, ends=False)
    talk.server(data(1, b"0123456789" * 10, ends=True)[:30]).loses(500, from_client=False)
    (first,) = talk.finished_ones
    assert (first.response.body_size, first.incomplete) == (100, ("response_body_lost",))
    assert "response_body_size_unknown" in talk.ends()[1].incomplete


def test_a_stream_whose_end_was_lost_is_given_up_when_many_have_passed() -> None:
    talk = Talk().ask(1).answer(1, ends=False).server(data(1, b"x"))
    talk.loses(100, from_client=False)
    for number in range(70):
        talk.ask(3 + 2 * number).answer(3 + 2 * number, [(":status", "200")])
    first = talk.opened_ones[0]
    assert first.finished
    assert first.incomplete == ("response_body_lost", "response_body_size_unknown")
    assert all(not t.incomplete for t in talk.opened_ones[1:])


def test_losses_without_end_take_no_memory() -> None:
    talk = Talk()
    for stream in range(1, 9, 2):
        talk.ask(stream, ends=False)
    tracemalloc.start()
    for _ in range(1000):
        talk.loses(-1, from_client=True).client(data(7, b"x"))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000


def test_a_stream_that_goes_on_between_losses_is_not_given_up() -> None:
    talk = Talk().ask(1, ends=False).answer(1, ends=False)
    for number in range(40):
        talk.loses(-1, from_client=False).server(data(1, b"x"))
        talk.ask(2 * number + 3).answer(2 * number + 3, ends=True)
    assert not talk.opened_ones[0].finished

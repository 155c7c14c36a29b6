from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.model import Transaction
from qtap.wire.grpc import Call, call_of, messages
from tests.wire.http2_talk import Field, Talk, data

ASK: list[Field] = [
    (":method", "POST"),
    (":path", "/shop.v1.Cart/AddItem"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
HEAD: list[Field] = [(":status", "200"), ("content-type", "application/grpc")]


def call(*trailers: Field, trailers_only: bool = False) -> Transaction:
    talk = Talk().ask(1, ASK, ends=False).client(data(1, b"\0\0\0\0\1x", ends=True))
    if trailers_only:
        talk.answer(1, [*HEAD, *trailers])
    else:
        talk.answer(1, HEAD, ends=False).server(data(1, b"\0\0\0\0\0"))
        if trailers:
            talk.answer(1, list(trailers))
    return talk.ends()[0]


@pytest.mark.parametrize("trailers_only", [True, False])
def test_status_and_message_come_from_the_trailers_or_from_the_only_head(trailers_only: bool) -> None:
    found = call_of(call(("grpc-status", "5"), ("grpc-message", "no cart %E2%82%AC"), trailers_only=trailers_only))
    assert found == Call("shop.v1.Cart", "AddItem", "5", "NOT_FOUND", "no cart €")


@pytest.mark.parametrize(
    ("status", "name"), [("0", "OK"), ("16", "UNAUTHENTICATED"), ("17", ""), ("-1", ""), ("²", ""), ("x" * 99, "")]
)
def test_a_status_that_is_not_known_has_no_name(status: str, name: str) -> None:
    found = call_of(call(("grpc-status", status)))
    assert found is not None
    assert found.status_name == name


def test_a_call_without_its_end_has_no_status() -> None:
    assert call_of(call()) == Call("shop.v1.Cart", "AddItem", "", "", "")


def test_other_transactions_are_no_calls() -> None:
    assert call_of(Talk().ask(1).answer(1).ends()[0]) is None


def test_messages_one_after_another_the_last_one_cut() -> None:
    found = list(messages(b"\0\0\0\0\2ab\1\0\0\0\1c\x80\0\0\0\4k:v\n\0\0\0\1\0short"))
    assert [(m.data, m.compressed, m.trailers, m.size) for m in found] == [
        (b"ab", False, False, 2),
        (b"c", True, False, 1),
        (b"k:v\n", False, True, 4),
        (b"short", False, False, 256),
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_within_their_bounds(body: bytes) -> None:
    assert sum(5 + len(message.data) for message in messages(body)) <= len(body)

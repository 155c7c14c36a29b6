"""Answers of name servers: as servers write them, cut off, wrong, hostile."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.wire import dns
from qtap.wire.dns import Answer

A, CNAME, AAAA, TXT = 1, 5, 28, 16
ASKED = b"\xc0\x0c"
"""A pointer to the name of the question."""
FOUR, SIX = bytes((192, 0, 2, 7)), bytes(15) + b"\x01"


def name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes, *, ttl: int = 300, group: int = 1) -> bytes:
    return owner + struct.pack(">HHIH", kind, group, ttl, len(data)) + data


def answer(asked: str, *records: bytes, flags: int = 0x8180) -> bytes:
    return struct.pack(">6H", 7, flags, 1, len(records), 0, 0) + name(asked) + struct.pack(">HH", A, 1) + b"".join(records)


def test_the_addresses_of_a_name_and_the_least_time_to_live() -> None:
    message = answer("Shop.Example", record(ASKED, A, FOUR), record(name("shop.example"), AAAA, SIX, ttl=20))
    assert dns.parse(message) == Answer("shop.example", (FOUR, SIX), 20)


def test_an_alias_is_followed_to_the_name_that_was_asked_for() -> None:
    alias = record(ASKED, CNAME, name("edge.cdn.example"), ttl=10)
    message = answer("shop.example", alias, record(name("edge.cdn.example"), A, FOUR))
    assert dns.parse(message) == Answer("shop.example", (FOUR,), 10)


def test_an_address_of_another_name_is_not_believed() -> None:
    assert dns.parse(answer("shop.example", record(name("evil.example"), A, FOUR))) is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        answer("shop.example", record(ASKED, A, FOUR), flags=0x0100),
        answer("shop.example", record(ASKED, A, FOUR), flags=0x8183),
        answer("shop.example"),
        answer("shop.example", record(ASKED, TXT, FOUR)),
        answer("shop.example", record(ASKED, A, FOUR, group=3)),
        answer("shop.example", record(ASKED, A, SIX)),
        answer("a b.example", record(ASKED, A, FOUR)),
        answer("\x1b[0m.example", record(ASKED, A, FOUR)),
        answer(".".join(["a" * 60] * 5), record(ASKED, A, FOUR)),
        answer("x", record(b"\xc0\x13", A, FOUR)),
        struct.pack(">6H", 7, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c" + bytes(30),
    ],
)
def test_whatever_names_no_address_is_no_answer(message: bytes) -> None:
    assert dns.parse(message) is None


def test_what_is_cut_off_leaves_what_came_before() -> None:
    message = answer("shop.example", record(ASKED, A, FOUR), record(ASKED, A, FOUR))
    assert dns.parse(message[:-1]) == Answer("shop.example", (FOUR,), 300)


@given(st.binary(max_size=600), st.integers(0, 600), st.integers(0, 255))
def test_any_bytes_are_an_answer_with_a_printable_name_or_none(noise: bytes, at: int, byte: int) -> None:
    good = bytearray(answer("shop.example", record(ASKED, CNAME, name("b")), record(name("b"), A, FOUR)))
    good[at % len(good)] = byte
    for message in (noise, bytes(good), bytes(good) + noise, bytes(good)[: at % len(good)]):
        found = dns.parse(message)
        if found is not None:
            assert found.name.isascii()
            assert found.name.isprintable()
            assert 0 < len(found.name) < 254
            assert all(len(address) in {4, 16} for address in found.addresses)

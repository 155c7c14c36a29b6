from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.exports import headers
from qtap.exports.headers import canonical_name, field_map, header_map
from qtap.model import Message

START = b"GET / HTTP/1.1\r\n"


def read(block: bytes) -> dict[str, str]:
    return dict(header_map(Message(START + block + b"\r\n")))


@pytest.mark.parametrize(
    ("name", "written"),
    [("user-agent", "User-Agent"), ("ETAG", "Etag"), ("x_y-z", "X_y-Z"), ("a b", "a b"), ("", ""), ("Käse", "Käse")],
)
def test_names_are_written_in_canonical_case_when_they_are_tokens(name: str, written: str) -> None:
    assert canonical_name(name) == written


def test_repeated_fields_are_joined_by_a_comma() -> None:
    assert read(b"Via: a\r\nvia: b\r\nVIA: c\r\n") == {"Via": "a, b, c"}


def test_cookies_that_are_set_are_joined_by_a_newline() -> None:
    assert read(b"Set-Cookie: a=1, 2\r\nset-cookie: b\r\n") == {"Set-Cookie": "a=1, 2\nb"}


def test_a_value_is_utf8_or_else_latin1() -> None:
    assert read(b"A: \xc3\xa9\r\nB: \xe9\r\n") == {"A": "é", "B": "é"}


def test_folded_lines_and_bare_line_feeds_are_read() -> None:
    assert read(b"A: b\r\n c\r\n") == {"A": "b c"}
    assert read(b"A: b\nC: d\r\n") == {"A": "b", "C": "d"}
    assert header_map(Message(b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n")) == {"A": "b"}


def test_a_line_without_a_colon_is_a_name_without_a_value() -> None:
    assert read(b"junk\r\n") == {"Junk": ""}


def test_a_message_that_was_never_seen_has_no_fields() -> None:
    assert header_map(Message()) == {}


lines = st.lists(
    st.binary(max_size=12) | st.sampled_from([b"A: b", b"a : c", b"Set-Cookie: x", b" folded", b"A:\t\xff"]), max_size=6
)


@given(lines, st.sampled_from([b"\r\n", b"\n"]))
def test_remembered_lines_read_like_new_ones(given_lines: list[bytes], ending: bytes) -> None:
    block = ending.join([*given_lines, b""])
    message = Message(START + block + b"\r\n")
    slow = field_map(message.head.lstrip(b"\r\n").partition(b"\n")[2])
    assert header_map(message) == slow
    assert header_map(message) == slow


def test_hostile_lines_do_not_fill_memory() -> None:
    for number in range(10_000):
        read(b"X-%d: %d\r\n" % (number, number))
        read(b"X: " + b"v" * 300 + b"%d\r\n" % number)
    assert len(headers._lines) <= 2048  # noqa: SLF001 - the bound is the point
    assert len(headers._names) <= 4096  # noqa: SLF001
    assert max(map(len, headers._lines)) <= 256  # noqa: SLF001


def test_pseudo_header_fields_keep_their_names_and_the_pieces_of_a_cookie_are_one() -> None:
    head = b"GET / HTTP/2\r\n:method: GET\r\n:path: /a:b\r\ncookie: a=1\r\ncookie: b=2\r\nx-y: 1\r\nx-y: 2\r\n\r\n"
    assert header_map(Message(head=head)) == {":method": "GET", ":path": "/a:b", "Cookie": "a=1; b=2", "X-Y": "1, 2"}
    plain = b"GET / HTTP/2\r\n:method: GET\r\n:path: /a\r\n\r\n"
    assert header_map(Message(head=plain)) == {":method": "GET", ":path": "/a"}


def test_unknown_fields_stand_under_their_mark() -> None:
    head = "HTTP/2 ‹unknown›\r\n‹unknown #1›: \r\n‹unknown #2›: text\r\ncookie: a\r\ncookie: b\r\n\r\n".encode()
    assert header_map(Message(head=head)) == {"‹unknown #1›": "", "‹unknown #2›": "text", "Cookie": "a; b"}

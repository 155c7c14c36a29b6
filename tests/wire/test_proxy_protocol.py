from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.wire.proxy_protocol import Prefix, read_prefix

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
IPV4 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 1]) + b"\xc3\x51\x00\x50"
IPV6 = SIGNATURE + b"\x21\x21\x00\x24" + bytes(15) + b"\x01" + bytes(16) + b"\xc3\x51\x00\x50"
WITH_MORE = SIGNATURE + b"\x21\x11\x00\x11" + bytes([203, 0, 113, 7, 10, 0, 0, 1]) + b"\xc3\x51\x00\x50" + b"\x03\x00\x02ab"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 50001 80\r\n", Prefix(42, "203.0.113.7", 50001)),
        (b"PROXY TCP6 2001:db8::7 ::1 50001 80\r\n", Prefix(37, "2001:db8::7", 50001)),
        (b"PROXY UNKNOWN\r\n", Prefix(15)),
        (b"PROXY UNKNOWN ff:: ff:: 1 2\r\n", Prefix(29)),
        (IPV4, Prefix(28, "203.0.113.7", 50001)),
        (IPV6, Prefix(52, "::1", 50001)),
        (WITH_MORE, Prefix(33, "203.0.113.7", 50001)),
        (SIGNATURE + b"\x20\x00\x00\x00", Prefix(16)),
        (SIGNATURE + b"\x31\x11\x00\x00", Prefix(0)),
        (b"PROXY /path HTTP/1.1\r\n", Prefix(0)),
        (b"GET / HTTP/1.1\r\n", Prefix(0)),
        (b"", Prefix(0)),
    ],
)
def test_a_header_is_told_from_what_follows(data: bytes, wanted: Prefix) -> None:
    assert read_prefix(data) == wanted
    assert read_prefix(data + b"GET / HTTP/1.1\r\n\r\n") == wanted
    if wanted.size > 0:
        assert all(read_prefix(data[:size]).size == -1 for size in range(1, len(data)))


NOISE = st.binary(max_size=60)


@given(NOISE | NOISE.map(SIGNATURE.__add__) | NOISE.map(b"PROXY ".__add__))
def test_any_bytes_have_a_header_within_them_or_none(data: bytes) -> None:
    assert -1 <= read_prefix(data).size <= len(data)

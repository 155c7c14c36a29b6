from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from qtap.wire import protobuf
from qtap.wire.protobuf import Field, Value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def encode(fields: list[Field]) -> bytes:
    out = b""
    for number, kind, value in fields:
        if kind == "varint":
            assert isinstance(value, int)
            out += varint(number << 3) + varint(value)
        elif kind in ("fixed64", "fixed32"):
            assert isinstance(value, int)
            size = 8 if kind == "fixed64" else 4
            out += varint(number << 3 | (1 if size == 8 else 5)) + value.to_bytes(size, "little")
        elif kind == "group":
            assert isinstance(value, list)
            out += varint(number << 3 | 3) + encode(value) + varint(number << 3 | 4)
        else:
            raw = encode(value) if isinstance(value, list) else value.encode() if isinstance(value, str) else value
            assert isinstance(raw, bytes)
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


NUMBER = st.integers(1, (1 << 29) - 1)
SCALAR = st.one_of(
    st.tuples(NUMBER, st.just("varint"), st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBER, st.just("fixed64"), st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBER, st.just("fixed32"), st.integers(0, (1 << 32) - 1)),
    st.tuples(NUMBER, st.just("text"), st.text("abc äé€", min_size=1, max_size=9)),
)
FIELDS = st.recursive(
    st.lists(SCALAR, max_size=4),
    lambda inner: st.lists(SCALAR | st.tuples(NUMBER, st.just("group"), inner), max_size=4),
    max_leaves=8,
)


@given(FIELDS)
def test_what_was_encoded_is_read(fields: list[Field]) -> None:
    assert protobuf.decode(encode(fields)) == fields


def test_length_delimited_values_are_text_or_messages_or_bytes() -> None:
    inner: list[Field] = [(1, "varint", 150), (2, "text", "a name")]
    values: list[tuple[bytes, str, Value]] = [
        (b"plain", "text", "plain"),
        (b"two\nlines", "text", "two\nlines"),
        (encode(inner), "message", inner),
        (b"\xff\xfe\x00", "bytes", b"\xff\xfe\x00"),
    ]
    for raw, kind, value in values:
        assert protobuf.decode(b"\x0a" + varint(len(raw)) + raw) == [(1, kind, value)]


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    fields = protobuf.decode(data)
    assert fields is None or sum(1 for _ in fields) <= len(data)


def test_nested_and_numerous_fields_are_bounded() -> None:
    deep = b"\x08\x01"
    for _ in range(2000):
        deep = b"\x0a" + varint(len(deep)) + deep
    begin = time.process_time()
    protobuf.decode(deep)
    assert protobuf.decode(b"\x08\x01" * (protobuf.MOST_FIELDS + 1)) is None
    assert time.process_time() - begin < 2


def test_a_fixed_number_may_be_a_float() -> None:
    assert protobuf.as_float("fixed32", 0x3FC00000) == 1.5
    assert protobuf.as_float("fixed64", 0xBFF8000000000000) == -1.5

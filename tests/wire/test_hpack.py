"""HPACK against the `hpack` package, from the first block and from any later one."""

from __future__ import annotations

import hpack
from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st

from qtap.wire.hpack import Decoder, line_of

NAME = st.sampled_from([b":method", b":path", b":status", b"cookie", b"date", b"x"]) | st.text(
    "abc-", min_size=1, max_size=9
).map(str.encode)
VALUE = st.sampled_from([b"GET", b"/", b"200", b"", b"gzip, deflate"]) | st.binary(max_size=40)
FIELD = st.tuples(NAME, VALUE, st.booleans())
SIZE = st.none() | st.sampled_from([0, 32, 64, 100, 1000, 4096, 65536])
BLOCK = st.tuples(SIZE, st.lists(FIELD, max_size=8), st.booleans())
BLOCKS = st.lists(BLOCK, min_size=1, max_size=20)

Fields = list[tuple[bytes, bytes]]


def encoded(blocks: list[tuple[int | None, list[tuple[bytes, bytes, bool]], bool]]) -> list[tuple[bytes, Fields]]:
    encoder, out = Encoder(), []
    for size, fields, huffman in blocks:
        if size is not None:
            encoder.header_table_size = size
        given = [(NeverIndexedHeaderTuple if never else HeaderTuple)(name, value) for name, value, never in fields]
        out.append((bytes(encoder.encode(given, huffman=huffman)), [(name, value) for name, value, _ in fields]))
    return out


@given(BLOCKS)
def test_every_block_of_a_connection_decodes_to_the_fields_that_were_encoded(
    blocks: list[tuple[int | None, list[tuple[bytes, bytes, bool]], bool]],
) -> None:
    decoder = Decoder(fresh=True)
    for block, fields in encoded(blocks):
        entries = decoder.decode(block)
        assert entries is not None
        assert [(name, value) for name, value, _ in entries] == fields
        assert not decoder.unknown


@given(BLOCKS, st.integers(0, 19), st.booleans())
def test_after_a_late_attach_or_a_loss_a_field_is_right_or_marked_unknown(
    blocks: list[tuple[int | None, list[tuple[bytes, bytes, bool]], bool]], first: int, fresh: bool
) -> None:
    traffic = encoded(blocks)
    decoder = Decoder(fresh=fresh)
    if fresh:
        for block, _ in traffic[: first // 2]:
            decoder.decode(block)
        decoder.lose()
    for block, fields in traffic[first:]:
        entries = decoder.decode(block)
        assert entries is not None
        assert len(entries) == len(fields)
        assert decoder.unknown == sum(name is None for name, _, _ in entries)
        for (name, value, line), true in zip(entries, fields, strict=True):
            if name is None:
                assert line.startswith("‹unknown".encode())
                assert value in {b"", true[1]}
            else:
                assert (name, value) == true


@given(st.lists(st.binary(max_size=60), max_size=6))
@settings(max_examples=300)
def test_what_the_reference_accepts_is_read_the_same_and_what_it_refuses_never_raises(blocks: list[bytes]) -> None:
    ours, reference = Decoder(fresh=True), hpack.Decoder()
    reference.max_allowed_table_size = 1 << 62
    for block in blocks:
        entries = ours.decode(block)
        try:
            fields = reference.decode(block, raw=True)
        except Exception:  # noqa: BLE001 - it raises many kinds, and its state is lost with each
            return
        assert entries is not None
        assert [(name, value) for name, value, _ in entries] == [tuple(field) for field in fields]


def test_the_number_of_an_unknown_field_is_the_same_in_every_block() -> None:
    encoder, decoder = Encoder(), Decoder(fresh=False)
    encoder.encode([("x-a", "1"), ("x-b", "2"), ("x-c", "3")])
    first = decoder.decode(bytes(encoder.encode([("x-a", "1"), ("x-new", "4")])))
    second = decoder.decode(bytes(encoder.encode([("x-a", "1"), ("x-c", "3"), ("x-new", "4")])))
    assert first is not None
    assert second is not None
    assert [line.decode() for _, _, line in first] == ["‹unknown #3›: \r\n", "x-new: 4\r\n"]
    assert [line.decode() for _, _, line in second] == ["‹unknown #3›: \r\n", "‹unknown #1›: \r\n", "x-new: 4\r\n"]


def test_an_unknown_name_keeps_its_known_value() -> None:
    decoder = Decoder(fresh=False)
    entries = decoder.decode(b"\x7f\x00\x031.5")  # literal with indexing, name of dynamic entry 63 - 61 = 2
    assert entries is not None
    assert entries[0][2].decode() == "‹unknown #2›: 1.5\r\n"
    again = decoder.decode(b"\xbe")
    assert again == entries


def test_no_name_or_value_can_be_mistaken_for_another_line() -> None:
    assert line_of(b"x", b"a\r\nset-cookie: b") == b"x: a\\r\\nset-cookie: b\r\n"
    assert line_of(b"x\r\ny", b"1") == b"x\\x0d\\x0ay: 1\r\n"
    assert line_of(b"x: y", b"1") == b"x\\x3a\\x20y: 1\r\n"
    assert line_of(b":path", b"/") == b":path: /\r\n"
    assert line_of("‹unknown #1›".encode(), b"1").isascii()
    assert line_of(b"", b"1") == b"\\x: 1\r\n"


def test_a_malformed_block_makes_the_table_unknown() -> None:
    encoder, decoder = Encoder(), Decoder(fresh=True)
    decoder.decode(bytes(encoder.encode([("x-a", "1")])))
    assert decoder.decode(b"\x80") is None
    entries = decoder.decode(bytes(encoder.encode([("x-a", "1")])))
    assert entries is not None
    assert [name for name, _, _ in entries] == [None]


def test_the_table_is_bounded_whatever_size_it_is_given() -> None:
    decoder = Decoder(fresh=True)
    decoder.decode(b"\x3f\xe1\xff\xff\xff\x07")
    for _ in range(600):
        decoder.decode(b"\x40\x01x\x7f\x81\x07" + b"v" * 1024)
    entries = decoder.decode(b"\xbe\xff\xf0\x03")
    assert entries is not None
    assert entries[0][0] == b"x"
    assert entries[1][0] is None

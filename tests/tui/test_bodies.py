"""Bodies: content codings taken off, views that fit, hostile content shown and never obeyed."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from qtap.model import Message
from qtap_tui.bodies import VIEWS, Body, choose
from qtap_tui.bodies.coding import LIMIT, decode
from qtap_tui.bodies.text import charset_note
from qtap_tui.details.body import as_bytes, body
from tests.tui.synthetic import transaction
from tests.tui.test_document import rows

TEXT = b"hello, world\n" * 1000
RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATED = RAW.compress(TEXT) + RAW.flush()


@pytest.mark.parametrize(
    ("codings", "data"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW_DEFLATED),
        ("zstd", zstandard.compress(TEXT)),
        ("identity", TEXT),
        ("", TEXT),
        ("deflate, GZIP", gzip.compress(zlib.compress(TEXT))),
    ],
)
def test_codings_come_off(codings: str, data: bytes) -> None:
    assert decode(data, codings).data == TEXT


@pytest.mark.parametrize(("coding", "data"), [("gzip", gzip.compress(TEXT)), ("zstd", zstandard.compress(TEXT * 100))])
def test_half_a_body_gives_what_it_holds(coding: str, data: bytes) -> None:
    found = decode(data[: len(data) // 2] if coding == "gzip" else data[:-4], coding).data
    assert found
    assert (TEXT * 100).startswith(found)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_stops_at_the_limit_and_says_so(coding: str) -> None:
    zeros = bytes(10 * LIMIT)
    data = {"gzip": gzip.compress(zeros), "deflate": zlib.compress(zeros), "zstd": zstandard.compress(zeros)}[coding]
    found = decode(data, coding)
    assert len(found.data) == LIMIT
    assert "more than" in found.notes[0]


@pytest.mark.parametrize(
    ("codings", "note"),
    [
        ("br", "brotli cannot be decoded here"),
        ("snappy", "unknown content coding 'snappy'"),
        ("gzip", "not gzip"),
        ("zstd", "not zstd"),
        (",".join(["gzip"] * 9), "9 content codings"),
    ],
)
def test_what_cannot_come_off_is_said_and_shown_as_it_is(codings: str, note: str) -> None:
    found = decode(b"plain", codings)
    assert found.data == b"plain"
    assert note in found.notes[-1]


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd", "br", "gzip, zstd"]))
def test_no_bytes_break_the_decoder(data: bytes, codings: str) -> None:
    decode(data, codings)
    decode(gzip.compress(data)[:-3] + data, codings)


@given(
    st.binary(max_size=200) | st.text(max_size=80).map(lambda text: json.dumps({text: [text, 1.5, None]}).encode()),
    st.sampled_from(["", "application/json", "text/plain", "image/png"]),
    st.sampled_from(["", "utf-8", "latin1", "zip", "idna", "utf_7", "hex", "iso-8859-99", "utf-16"]),
)
def test_every_view_takes_any_bytes(data: bytes, kind: str, charset: str) -> None:
    found = Body(data, kind, charset)
    assert choose(found).views
    for view in VIEWS:
        assert isinstance(rows(view.document(found), 40), list)


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (b'{"a":1}', "application/json", "JSON"),
        (b'{"a":1}', "application/problem+json", "JSON"),
        (b" [1,2]", "", "JSON"),
        (b"{not json}", "", "text"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "text"),
        (bytes(range(256)), "application/octet-stream", "hex"),
        (b"plain", "", "text"),
    ],
)
def test_the_best_view_comes_first(data: bytes, kind: str, name: str) -> None:
    assert choose(Body(data, kind)).at(0).name == name


def test_json_is_indented_and_keeps_its_numbers() -> None:
    found = rows(choose(Body(b'{"price":12.50,"big":123456789012345678901234567890}', "application/json")).at(0).document(
        Body(b'{"price":12.50,"big":123456789012345678901234567890}', "application/json")), 60)  # fmt: skip
    assert found == ["{", '  "price": 12.50,', '  "big": 123456789012345678901234567890', "}"]


def test_json_tokens_have_their_roles() -> None:
    view = VIEWS[0]
    row = view.document(Body(b'{"k": true}', "application/json"))
    row.reflow(80)
    assert [(role, text) for role, text in row.row(1) if text.strip()] == [("key", '"k"'), ("dim", ":"), ("literal", "true")]


@pytest.mark.parametrize("data", [b'{"a":[1,2', b"[" * 100_000, b'{"a":"\x1b"}', b""])
def test_json_that_is_cut_wrong_or_too_deep_is_shown_as_it_stands(data: bytes) -> None:
    document = VIEWS[0].document(Body(data, "application/json"))
    assert "".join(rows(document, 80)) == data.decode("cp1252")


def test_hex_shows_offset_digits_and_letters() -> None:
    hexed = VIEWS[-1].document(Body(b"GET /\x00\x1b[31m and so on"))
    assert rows(hexed, 80)[0] == "00000000  47 45 54 20 2f 00 1b 5b  33 31 6d 20 61 6e 64 20 GET /..[31m and "
    assert rows(hexed, 60)[0] == "00000000  47 45 54 20  2f 00 1b 5b GET /..["


def test_a_cut_body_says_how_much_is_missing() -> None:
    message = Message(head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"abc", body_size=1003, complete=True)
    assert rows(body(message, 0, finished=True), 60)[-1] == "── 1,000 more bytes are missing here ──"


def test_a_growing_body_says_that_it_grows() -> None:
    message = Message(head=b"HTTP/1.1 200 OK\r\n\r\n", body=bytearray(b"abc"), body_size=3)
    assert rows(body(message, 0, finished=False), 60)[-1] == "── still arriving ──"
    assert rows(body(message, 0, finished=True), 60)[-1] == "── the body ended early ──"


def test_no_body_is_told_from_no_body_yet_and_from_a_body_not_kept() -> None:
    assert rows(body(Message(), 0, finished=False), 60) == ["no body yet"]
    assert rows(body(Message(complete=True), 0, finished=False), 60) == ["no body"]
    assert rows(body(Message(body_size=5, complete=True), 0, finished=True), 60) == ["5 bytes of body passed and were not kept"]


def test_bytes_of_heads_and_bodies_stand_below_each_other() -> None:
    found = rows(as_bytes(transaction(request_body=b"xyz")), 80)
    titles = [line for line in found if line.endswith("bytes")]
    assert titles == ["Request head, 92 bytes", "Request body, 3 bytes", "Response head, 51 bytes", "Response body, 79 bytes"]


def test_server_sent_events_are_listed_with_type_id_and_data() -> None:
    stream = b': ping\n\nevent: price\r\nid: 7\r\ndata: {"a": 1}\r\ndata: two\r\n\r\n'
    stream += b"data:no space\n\nretry: 10\nodd\ndata: still arriv"
    found = Body(stream, "text/event-stream")
    view = choose(found).at(0)
    assert view.name == "events"
    assert rows(view.document(found), 60) == [
        "  : ping", "▸ 1  price  id 7", '  {"a": 1}', "  two", "▸ 2  message", "  no space", "▸ 3  message  retry 10",
        "  still arriv", "  ? odd",
    ]  # fmt: skip


def test_grpc_shows_each_message_with_its_numbers() -> None:
    message = b"\x08\x96\x01\x12\x05hello\x1a\x02\x08\x01"
    packed = gzip.compress(message)
    data = bytes(4) + bytes([len(message)]) + message + b"\1" + len(packed).to_bytes(4) + packed + b"\0\0\0\0\x09cut"
    found = Body(data, "application/grpc+proto")
    view = choose(found).at(0)
    shown = rows(view.document(found), 60)
    assert view.name == "gRPC"
    assert shown[0] == f"message 1 · {len(message)} bytes"
    assert shown[1:5] == ["1: 150", '2: "hello"', "3:", "  1: 1"]
    assert shown[5].startswith(f"message 2 · {len(packed)} bytes · gzip")
    assert shown[6:10] == shown[1:5]
    assert shown[10] == "message 3 · 9 bytes · 6 of them missing"


def test_grpc_web_shows_its_trailers_and_json_messages_are_json() -> None:
    data = b'\0\0\0\0\x07{"a":1}\x80\0\0\0\x10grpc-status: 0\r\n'
    found = Body(base64.b64encode(data), "application/grpc-web-text+json")
    shown = rows(choose(found).at(0).document(found), 60)
    assert shown == ["message 1 · 7 bytes", "{", '  "a": 1', "}", "trailers · 16 bytes", "grpc-status: 0"]


@pytest.mark.parametrize(
    ("data", "charset", "note"),
    [
        (b"plain", "", ""),
        ("caf\u00e9".encode(), "utf-8", ""),
        (b"caf\xe9 au lait", "", "not UTF-8, read as windows-1252"),
        (b"caf\xe9 au lait", "x-unknown", "not UTF-8, read as windows-1252"),
        (b"caf\xe9 au lait", "iso-8859-1", ""),
        (b"caf\xe9 au lait", "utf-8", "bytes that are not utf-8 shown as \ufffd"),
        ("caf\u00e9".encode()[:-1], "", ""),
    ],
)
def test_text_that_is_not_what_its_sender_said_is_labelled(data: bytes, charset: str, note: str) -> None:
    assert charset_note(Body(data, "text/plain", charset)) == note


def test_a_part_of_json_is_not_called_json() -> None:
    half = Message(body=b'{"a": [1, 2', body_size=100, head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    text = "\n".join(rows(body(half, 0, finished=True), 200))
    assert text.startswith("JSON, cut · application/json · 11 bytes · not well-formed as it stands, shown as it came")

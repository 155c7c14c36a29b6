from __future__ import annotations

import contextlib
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.captures.format import Header, Record, decode_record, encode_record
from qtap.model import Container, Pod, Transaction, WebSocket, WebSocketMessage
from tests.exports.samples import connection, records, transaction, transactions

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "capture.schema.json").read_text())
SCHEMA = jsonschema.Draft202012Validator(DOCUMENT)


@given(records)
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    line = encode_record(record)
    assert line.count(b"\n") == 1
    back = decode_record(line)
    assert back == record
    assert back is not None
    assert encode_record(back) == line


@given(records)
def test_every_record_is_what_the_schema_says(record: Record) -> None:
    SCHEMA.validate(json.loads(encode_record(record)))


def test_the_header_is_what_the_schema_says_and_comes_back() -> None:
    header = Header.here()
    SCHEMA.validate(json.loads(encode_record(header)))
    assert decode_record(encode_record(header)) == header
    assert header.host
    assert header.kernel


@given(transactions, st.sampled_from(["id", "connection", "request", "head", "body", "first_at", "pid", "finished"]))
def test_the_schema_refuses_a_transaction_with_a_field_of_another_type(record: Transaction, field: str) -> None:
    line = json.loads(encode_record(record))
    for place in (line, line["request"], line["connection"]["process"]):
        if field in place:
            place[field] = ["no"]
    assert not SCHEMA.is_valid(line)


@pytest.mark.parametrize("field", ["id", "connection", "request", "status", "incomplete"])
def test_the_schema_refuses_a_transaction_without_a_field(field: str) -> None:
    line = json.loads(encode_record(transaction()))
    del line[field]
    assert not SCHEMA.is_valid(line)


def test_the_schema_names_every_field() -> None:
    definitions = DOCUMENT["$defs"]
    whole = transaction()
    for value, kind in [
        (whole, "transaction"), (whole.request, "message"), (connection(), "connection"), (Header.here(), "capture"),
        (connection().process, "process"), (WebSocket(), "websocket"), (WebSocketMessage(1, "text"), "websocket_message"),
        (Container(), "container"), (Pod(), "pod"),
    ]:  # fmt: skip
        assert {field.name for field in msgspec.structs.fields(value)} == set(definitions[kind]["properties"])


def test_header_bytes_keep_order_case_and_repetition() -> None:
    head = b"GET / HTTP/1.1\r\nhOsT: a\r\nX: 2\r\nx: \xff\x00\x1b[0m\r\n\r\n"
    back = decode_record(encode_record(transaction(head)))
    assert isinstance(back, Transaction)
    assert back.request.head == head


def test_an_unknown_kind_is_no_record_and_no_error() -> None:
    assert decode_record(b'{"kind":"weather","is":"fine"}\n') is None


def test_an_unknown_field_is_skipped() -> None:
    line = encode_record(transaction()).replace(b'{"kind"', b'{"colour":{"a":[1]},"kind"')
    assert decode_record(line) == transaction()


def test_a_path_that_is_not_utf8_is_spelled_out() -> None:
    seen = connection()
    seen.process = msgspec.structs.replace(seen.process, exe=b"/opt/\xff".decode("utf-8", "surrogateescape"))
    back = decode_record(encode_record(seen))
    assert back == connection(process=msgspec.structs.replace(seen.process, exe="/opt/\\xff"))


@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_a_record_or_a_decode_error(line: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        decode_record(line)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"[]", b"{}", b'{"kind":1}', b'{"kind":"loss"}', b'{"kind":"transaction","id":"\xff"}', b"[" * 100_000,
        b'{"kind":"transaction","x":' + b"[" * 100_000, b'{"kind":"process","pid":"\\ud800"}', b'{"kind":"process","pid":1e99}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_record(line)

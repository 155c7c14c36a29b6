"""Unary gRPC calls to a server by another implementation of HTTP/2, and to listeners that are slow, silent or hostile."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.grpc_client import CallError, call, fields, message_field, text_field
from tests.capture.runtime import Runtime, field

SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


def ask(path: str, *, patience: float = 30, limit: int = 1 << 20) -> bytes:
    return call(path, "/a.B/C", b"hello", deadline=time.monotonic() + patience, limit=limit, metadata={"who": "me"})


@pytest.mark.parametrize("size", [0, 5, 100_000, 900_000])
def test_a_message_comes_back_whole(tmp_path: Path, size: int) -> None:
    def answer(headers: dict[bytes, bytes], message: bytes) -> bytes:
        assert (headers[b":path"], headers[b"who"], message) == (b"/a.B/C", b"me", b"hello")
        return bytes(range(256)) * (size // 256) + bytes(size % 256)

    with Runtime(tmp_path / "s", answer) as runtime:
        assert ask(runtime.path) == bytes(range(256)) * (size // 256) + bytes(size % 256)


def test_a_call_that_is_not_known_there_is_an_error(tmp_path: Path) -> None:
    with Runtime(tmp_path / "s", lambda *_: None) as runtime, pytest.raises(CallError, match="not known"):
        ask(runtime.path)


def test_an_answer_has_a_bound(tmp_path: Path) -> None:
    with Runtime(tmp_path / "s", lambda *_: bytes(100_000)) as runtime, pytest.raises(CallError, match="too long"):
        ask(runtime.path, limit=50_000)


def test_nobody_listening_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CallError):
        ask(str(tmp_path / "nothing"))


def drip(connection: socket.socket) -> None:
    for byte in SETTINGS * 10_000:
        connection.sendall(bytes((byte,)))
        time.sleep(0.01)


def be_silent(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


@pytest.mark.parametrize("behave", [drip, be_silent])
def test_a_call_ends_at_its_deadline_whatever_the_other_side_does(
    tmp_path: Path, behave: Callable[[socket.socket], None]
) -> None:
    with Runtime(tmp_path / "s", raw=behave) as runtime:
        began = time.monotonic()
        with pytest.raises(CallError):
            ask(runtime.path, patience=0.3)
        assert time.monotonic() - began < 30  # of the 900 that it would take


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        SETTINGS + b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
        SETTINGS + b"\0\0\x08\x07\0\0\0\0\0" + bytes(8),
        SETTINGS + b"\0\0\x01\0\x08\0\0\0\x01\x05",
        SETTINGS + b"\0\0\x06\0\0\0\0\0\x01\x01\0\0\0\x01x",
        SETTINGS + b"\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\x09",
        b"\xff" * 64,
    ],
)
def test_whatever_is_no_answer_is_an_error(tmp_path: Path, said: bytes) -> None:
    with Runtime(tmp_path / "s", raw=lambda connection: connection.sendall(said)) as runtime, pytest.raises(CallError):
        ask(runtime.path)


def test_fields_are_read_and_others_passed_over() -> None:
    numbers = b"\x08\x96\x01" + b"\x19" + bytes(8) + b"\x25" + bytes(4)
    message = field(1, "a" * 300) + numbers + field(18, b"\0\xff") + field(2, "")
    assert list(fields(message)) == [(1, b"a" * 300), (18, b"\0\xff"), (2, b"")]
    assert message_field(1, b"x") + text_field(2, "é") == field(1, "x") + field(2, "é")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(message: bytes) -> None:
    with suppress(CallError):
        assert sum(len(value) for _, value in fields(message)) <= len(message)

"""One unary gRPC call over a Unix socket: enough HTTP/2 (RFC 9113) to ask a container runtime, and nothing more.

gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md): a POST whose body is one message behind a flag and its length, answered alike.
Nothing of the answer's header fields is needed: where there is no message, there was an error. What listens there may be slow
or hostile, so a call has a deadline, its answer a bound, and no frame is larger than the protocol allows unasked.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Mapping

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 1
_END_HEADERS, _PADDED = 4, 8
_INITIAL_WINDOW_SIZE = 4
_FRAME_MAX = 1 << 14
"""RFC 9113 section 6.5.2: what a peer may send unless told otherwise."""
_WINDOW = (1 << 31) - 1
_LITERAL = 0x10
"""RFC 7541 section 6.2.3: a field never indexed, its name spelled out."""
_STREAM = 1
_FRAME_HEAD, _MESSAGE_HEAD = 9, 5
_LONGEST_VARINT = 63
"""Bits of a number that may still come."""


class CallError(Exception):
    """The call brought no message; the text says why, in a few words."""


def call(
    path: str, method: str, request: bytes, *, deadline: float, limit: int, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Call `method` (`/package.Service/Method`) at the Unix socket `path` with an encoded message; give the answer's.

    `deadline` is in terms of time.monotonic, `limit` in bytes. Raises CallError.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(_left(deadline))
            stream.connect(path)
            stream.sendall(_opening(method, request, metadata or {}))
            return _message(stream, deadline, limit)
    except OSError as error:
        raise CallError(str(error)) from None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise CallError("no answer in time")
    return left


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(value: bytes) -> bytes:
    """Write a string literal (RFC 7541 section 5.2), not Huffman coded, shorter than 127 + 128 bytes."""
    return (bytes((len(value),)) if len(value) < 0x7F else bytes((0x7F, len(value) - 0x7F))) + value  # noqa: PLR2004


def _opening(method: str, request: bytes, metadata: Mapping[str, str]) -> bytes:
    """Give all that this side says, but for acknowledgements. The windows are opened once, beyond any answer that is read."""
    fields = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "localhost", "te": "trailers"}
    fields |= {"content-type": "application/grpc", **metadata}
    head = b"".join(bytes((_LITERAL,)) + _text(name.encode()) + _text(value.encode()[:200]) for name, value in fields.items())
    body = b"\0" + struct.pack(">I", len(request)) + request
    return b"".join((
        _PREFACE,
        _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WINDOW)),
        _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - 65_535)),
        _frame(_HEADERS, _END_HEADERS, _STREAM, head),
        _frame(_DATA, _END_STREAM, _STREAM, body),
    ))  # fmt: skip


def _message(stream: socket.socket, deadline: float, limit: int) -> bytes:
    body, taken = bytearray(), 0
    while True:
        head = _exactly(stream, _FRAME_HEAD, deadline)
        length, kind, flags, number = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        if length > _FRAME_MAX or (taken := taken + _FRAME_HEAD + length) > limit:
            raise CallError("the answer is too long")
        payload = _exactly(stream, length, deadline)
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            stream.settimeout(_left(deadline))
            stream.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind == _DATA and number & 0x7FFFFFFF == _STREAM:
            body += _unpadded(payload) if flags & _PADDED else payload
        elif kind in (_RST_STREAM, _GOAWAY):
            raise CallError("the call was refused")
        ended = kind in (_DATA, _HEADERS) and flags & _END_STREAM
        if len(body) >= _MESSAGE_HEAD and len(body) >= _MESSAGE_HEAD + int.from_bytes(body[1:5], "big"):
            if body[0]:
                raise CallError("the answer is compressed")
            return bytes(body[_MESSAGE_HEAD : _MESSAGE_HEAD + int.from_bytes(body[1:5], "big")])
        if ended:
            raise CallError("the call is not known there")


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise CallError("a frame is malformed")
    return payload[1 : len(payload) - payload[0]]


def _exactly(stream: socket.socket, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        stream.settimeout(_left(deadline))
        part = stream.recv(size - len(parts))
        if not part:
            raise CallError("the connection was closed")
        parts += part
    return bytes(parts)


# Messages (protobuf.dev/programming-guides/encoding), with what their schemas call a field left to the caller.


def text_field(number: int, value: str) -> bytes:
    """Encode a string, shorter than 128 bytes."""
    return message_field(number, value.encode())


def message_field(number: int, value: bytes) -> bytes:
    """Encode an embedded message, shorter than 128 bytes, as field `number`, below 16."""
    return bytes((number << 3 | 2, len(value))) + value


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the number and the bytes of each length-delimited field, in order; others are passed over. Raises CallError."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:  # noqa: PLR2004 - LEN
            size, at = _varint(message, at)
            if at + size > len(message):
                raise CallError("a message is cut off")
            yield tag >> 3, message[at : at + size]
            at += size
        else:
            raise CallError("a message is malformed")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift <= _LONGEST_VARINT:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:  # noqa: PLR2004 - the last one
            return value, at
    raise CallError("a message is malformed")

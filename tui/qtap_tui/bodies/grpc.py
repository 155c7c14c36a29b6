"""gRPC and gRPC-Web: one message after another, each as JSON where it says so, else as Protocol Buffers without a schema."""

from __future__ import annotations

import base64
import binascii
from itertools import islice

from qtap.wire import protobuf
from qtap.wire.grpc import LengthPrefixed, messages
from qtap.wire.protobuf import Field
from qtap_tui import formats
from qtap_tui.bodies.coding import decode as uncompress
from qtap_tui.bodies.hex_dump import HexDocument
from qtap_tui.bodies.pretty_json import colour, indented
from qtap_tui.bodies.view import Body
from qtap_tui.document import ChainDocument, Document, Line, SpanDocument, TextDocument

_MOST_MESSAGES = 1000
_SHOWN_BYTES = 64
_INDENT = "  "
_GZIP = b"\x1f\x8b"


class GrpcView:
    """The messages of a call."""

    name = "gRPC"

    def score(self, body: Body) -> int:
        """Fit what says it is gRPC."""
        return 95 if body.kind.startswith("application/grpc") else 0

    def document(self, body: Body) -> Document:
        """Give the lines."""
        data = _from_base64(body.data) if body.kind.startswith("application/grpc-web-text") else body.data
        found = list(islice(messages(data), _MOST_MESSAGES))
        parts: list[Document] = []
        for number, message in enumerate(found, 1):
            parts += _message(message, number, is_json="json" in body.kind)
        read = sum(5 + len(message.data) for message in found)
        if read < len(data):
            title = f"{formats.count(len(data) - read)} bytes that are no message, or beyond {formats.count(_MOST_MESSAGES)}"
            parts += [SpanDocument([(("warning", title),)]), HexDocument(data[read:])]
        return ChainDocument(parts)


class ProtobufView:
    """One message of Protocol Buffers."""

    name = "protobuf"

    def score(self, body: Body) -> int:
        """Fit what says so and can be read."""
        return 85 if "protobuf" in body.kind and protobuf.decode(body.data) is not None else 0

    def document(self, body: Body) -> Document:
        """Give the lines."""
        return _protobuf(body.data)


def _message(message: LengthPrefixed, number: int, *, is_json: bool) -> list[Document]:
    data, notes = message.data, [f"{formats.count(message.size)} bytes"]
    if message.compressed:
        done = uncompress(data, "gzip" if data.startswith(_GZIP) else "deflate")
        data = done.data
        notes += done.notes
    if len(message.data) < message.size:
        notes.append(f"{formats.count(message.size - len(message.data))} of them missing")
    title = SpanDocument([(("label", " · ".join(["trailers" if message.trailers else f"message {number}", *notes])),)])
    if message.trailers:
        return [title, TextDocument(data.decode("latin-1"))]
    pretty = indented(data) if is_json else None
    return [title, TextDocument(pretty.decode("utf-8", "replace"), colour) if pretty is not None else _protobuf(data)]


def _protobuf(data: bytes) -> Document:
    fields = protobuf.decode(data)
    if fields is None:
        return HexDocument(data)
    return SpanDocument(_lines(fields, 0), hang=4)


def _lines(fields: list[Field], depth: int) -> list[Line]:
    lines: list[Line] = []
    for number, kind, value in fields:
        name = ("key", f"{_INDENT * depth}{number}")
        if isinstance(value, list):
            lines += [(name, ("dim", ":" if value else ": (empty)")), *_lines(value, depth + 1)]
        elif isinstance(value, str):
            lines.append((name, ("dim", ": "), ("string", quoted(value))))
        elif isinstance(value, bytes):
            shown = value[:_SHOWN_BYTES].hex(" ") + (" …" if len(value) > _SHOWN_BYTES else "")
            lines.append((name, ("dim", f": {formats.count(len(value))} bytes "), ("text", shown)))
        else:
            lines.append((name, ("dim", ": "), ("number", str(value)), ("dim", _meanings(kind, int(value)))))
    return lines


def quoted(text: str) -> str:
    """Put text in quotes, with line ends escaped."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def _meanings(kind: str, value: int) -> str:
    """Name what else a number may be: a negative one, a zigzag one, a float."""
    if kind == "varint":
        return f"  ({value - (1 << 64)})" if value >> 63 else ""
    return f"  ({protobuf.as_float(kind, value):.9g} as {'float' if kind == 'fixed32' else 'double'})"


def _from_base64(data: bytes) -> bytes:
    """Take base64 off; each piece that the server flushed may end in padding of its own."""
    out = bytearray()
    for at in range(0, len(data) - 3, 4):
        try:
            out += base64.b64decode(data[at : at + 4])
        except binascii.Error:
            break
    return bytes(out)

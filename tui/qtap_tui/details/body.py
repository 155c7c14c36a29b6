"""The body of one message, through the view that fits it, with what is missing marked; and both messages as bytes."""

from __future__ import annotations

import re

from qtap.model import Message, Transaction
from qtap_tui import formats
from qtap_tui.bodies import Body, choose
from qtap_tui.bodies.coding import decode
from qtap_tui.bodies.hex_dump import HexDocument
from qtap_tui.document import ChainDocument, Document, Line, SpanDocument

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._-]{1,40})', re.IGNORECASE)


def body(message: Message, step: int, *, finished: bool) -> Document:
    """Show the body of `message` through the view that is `step` steps behind the one that fits best."""
    data = bytes(message.body)
    if not data:
        return SpanDocument([_nothing(message, finished=finished)])
    content_type = message.field("content-type")
    decoded = decode(data, message.field("content-encoding"))
    charset = _CHARSET.search(content_type)
    found = Body(decoded.data, content_type.partition(";")[0].strip().lower(), charset[1] if charset else "")
    view = choose(found).at(step)
    title = " · ".join([view.name, found.kind or "no content type", f"{formats.count(len(found.data))} bytes", *decoded.notes])
    parts: list[Document] = [SpanDocument([(("label", title),)]), view.document(found), _end(message, finished=finished)]
    return ChainDocument(parts)


def as_bytes(transaction: Transaction) -> ChainDocument:
    """Show both messages as they were on the wire, but for transfer and content codings of the bodies."""
    parts: list[Document] = []
    for name, message in (("Request", transaction.request), ("Response", transaction.response)):
        for part, data in (("head", message.head), ("body", message.body), ("trailers", message.trailers)):
            if data:
                parts += [_title(f"{name} {part}, {formats.count(len(data))} bytes"), HexDocument(bytes(data))]
    return ChainDocument(parts or [_title("nothing was seen")])


def _title(text: str) -> SpanDocument:
    return SpanDocument([(("label", text),)])


def _nothing(message: Message, *, finished: bool) -> Line:
    if message.body_missing > 0:
        return (("warning", f"{formats.count(message.body_missing)} bytes of body passed and were not kept"),)
    if message.complete or finished:
        return (("dim", "no body"),)
    return (("live", "no body yet"),)


def _end(message: Message, *, finished: bool) -> SpanDocument:
    lines: list[Line] = []
    if message.body_missing > 0:
        lines.append((("warning", f"── {formats.count(message.body_missing)} more bytes are missing here ──"),))
    if not message.complete:
        lines.append((("warning", "── the body ended early ──"),) if finished else (("live", "── still arriving ──"),))
    return SpanDocument(lines)

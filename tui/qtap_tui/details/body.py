"""The body of one message, through the view that fits it, with what is missing marked; and both messages as bytes."""

from __future__ import annotations

import re

from qtap.model import Message, Transaction
from qtap_tui import formats
from qtap_tui.bodies import Body, BodyView, choose
from qtap_tui.bodies.coding import decode
from qtap_tui.bodies.hex_dump import HexDocument
from qtap_tui.bodies.pretty_json import JsonView, indented
from qtap_tui.bodies.text import TextView, charset_note
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
    notes = [f"{formats.count(len(found.data))} bytes", *decoded.notes, *_notes(view, found)]
    title = " · ".join([_name(view, message, finished=finished), found.kind or "no content type", *notes])
    parts: list[Document] = [SpanDocument([(("label", title),)]), view.document(found), _end(message, finished=finished)]
    return ChainDocument(parts)


def _name(view: BodyView, message: Message, *, finished: bool) -> str:
    """Say of a part that it is one: half a JSON document is none."""
    cut = message.body_missing > 0 or (finished and not message.complete)
    return f"{view.name}, cut" if cut else view.name


def _notes(view: BodyView, found: Body) -> list[str]:
    if isinstance(view, JsonView) and indented(found.data) is None:
        return ["not well-formed as it stands, shown as it came"]
    note = charset_note(found) if isinstance(view, (TextView, JsonView)) else ""
    return [note] if note else []


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

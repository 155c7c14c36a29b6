"""Request and response header lines, in the order and the letter case of the wire."""

from __future__ import annotations

from qtap.model import Message, Transaction
from qtap.model.message import split_fields
from qtap_tui.columns import status_role
from qtap_tui.document import Line, SpanDocument
from qtap_tui.text import from_bytes, shorten

_HANG = 4
_LONGEST = 8192
"""Characters shown of one line, so that those behind a megabyte can be reached."""


def headers(transaction: Transaction) -> SpanDocument:
    """Give the heads of both messages, interim responses and trailers."""
    lines: list[Line] = [(("title", "Request"),), *_message(transaction.request, "text"), ()]
    for head in transaction.informational:
        lines += [(("title", "Interim response"),), *_head(head, "info"), ()]
    lines += [(("title", "Response"),), *_message(transaction.response, status_role(transaction))]
    return SpanDocument(lines, hang=_HANG)


def _message(message: Message, role: str) -> list[Line]:
    if not message.head:
        return [(("dim", "not seen"),)]
    lines = _head(message.head, role)
    if message.trailers:
        lines += [(("label", "Trailers"),), *_fields(message.trailers)]
    return lines


def _head(head: bytes, role: str) -> list[Line]:
    start, _, block = head.lstrip(b"\r\n").partition(b"\n")
    return [((role, _text(start.rstrip(b"\r"))),), *_fields(block)]


def _fields(block: bytes) -> list[Line]:
    return [(("key", _text(name)), ("dim", ": "), ("text", _text(value))) for name, value in split_fields(block)]


def _text(raw: bytes) -> str:
    return shorten(from_bytes(raw), _LONGEST, "Bytes")

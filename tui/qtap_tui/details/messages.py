"""The messages of a WebSocket: one row each, or each in full; rows are made when they are seen."""

from __future__ import annotations

from qtap.model import WebSocket, WebSocketMessage
from qtap_tui import formats
from qtap_tui.bodies.pretty_json import colour, indented
from qtap_tui.bodies.text import looks_like_text
from qtap_tui.document import ChainDocument, Document, Line, SpanDocument, TextDocument

_PREVIEW = 300
"""Bytes of a message that a row may show; the row's end is cut off."""
_FULL = 64 << 10
"""Bytes shown of one message in full."""
_MOST_FULL = 500
"""Messages shown in full: the latest."""
_FAULTS = {"cut": "[cut]", "lost": "[partly lost]", "unfinished": "[broken off]", "unreadable": "[unreadable]"}
"""Few words; the Overview explains them."""


def messages(socket: WebSocket, step: int, *, finished: bool) -> Document:
    """List the messages; every second `step` shows them in full."""
    seen = list(socket.messages)
    parts: list[Document] = [SpanDocument(_title(socket, finished=finished))]
    if not step % 2:
        return ChainDocument([*parts, _Rows(seen)])
    for message in seen[-_MOST_FULL:]:
        parts += [_Rows([message], preview=False), _content(message)]
    return ChainDocument(parts)


class _Rows:
    """One row a message: time, arrow, type, size, the beginning of what it says."""

    def __init__(self, seen: list[WebSocketMessage], *, preview: bool = True) -> None:
        self._seen = seen
        self._preview = preview

    def reflow(self, width: int) -> int:  # noqa: ARG002 - rows are cut, never wrapped
        return len(self._seen)

    def row(self, index: int) -> Line:
        message = self._seen[index]
        arrow = ("accent", "↑ ") if message.from_client else ("info", "↓ ")
        size = formats.size(message.size).rjust(5)
        row: list[tuple[str, str]] = [
            ("dim", f"{formats.clock_ms(message.at)} "), arrow, ("key", message.kind.ljust(7)), ("label", f"{size}  ")
        ]  # fmt: skip
        row += [("warning", f"{_FAULTS.get(fault, fault)} ") for fault in message.faults]
        return [*row, *_preview(message)] if self._preview else row


def _title(socket: WebSocket, *, finished: bool) -> list[Line]:
    counts = f"↑ {formats.count(socket.from_client)} from the client · ↓ {formats.count(socket.from_server)} from the server"
    lines: list[Line] = [[("label", counts), ("dim", " · closed") if finished else ("live", " · ● open")]]
    if socket.dropped:
        lines.append([("warning", f"── {formats.count(socket.dropped)} older messages are no longer kept ──")])
    return lines


def _preview(message: WebSocketMessage) -> Line:
    if message.kind == "close":
        return [("text", _close(message.payload))]
    piece = message.payload[:_PREVIEW]
    if message.kind == "text" or looks_like_text(piece):
        return colour(" ".join(piece.decode("utf-8", "replace").split()))
    return [("dim", piece.hex(" "))]


def _content(message: WebSocketMessage) -> Document:
    data = message.payload[:_FULL]
    pretty = indented(data) if data[:1] in (b"{", b"[") else None
    if pretty is not None:
        return TextDocument(pretty.decode("utf-8", "replace") + "\n\n", colour)
    rest = f"… ({formats.count(len(message.payload) - _FULL)} more bytes)" if len(message.payload) > _FULL else ""
    if message.kind == "close":
        return TextDocument(f"{_close(message.payload)}\n\n")
    shown = data.decode("utf-8", "replace") if message.kind == "text" or looks_like_text(data) else data.hex(" ")
    return TextDocument(f"{shown}{rest}\n\n")


def _close(payload: bytes) -> str:
    """Code and reason (RFC 6455 section 5.5.1)."""
    return f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode('utf-8', 'replace')}" if payload else "no code"

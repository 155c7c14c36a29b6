"""The columns of the list: what each shows of a transaction, and which of them a width has room for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from qtap.model import Transaction
from qtap_tui import formats
from qtap_tui.document import Span
from qtap_tui.text import fit, fit_host, from_bytes, from_latin

ARROWS = {"ingress": "←", "egress-internal": "→", "egress-external": "↗"}
LIVE, INCOMPLETE, PEER = "●", "!", "⇄"
_CONTENT_TYPE = re.compile(rb"\ncontent-type[ \t]*:[ \t]*([^\r\n;]{0,80})", re.IGNORECASE)
_HEAD_SEEN = 16384
"""Bytes of a head in which the list looks for a content type: a head of 1 MB costs no more than others."""
_SECOND = 1_000_000_000
_LEAST_HOST, _MAX_HOST = 15, 40
"""`127.0.0.1:38443` is the least that is worth it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    width: int
    """Cells; 0 shares what is left."""
    cell: Callable[[Transaction, int], Span]
    """Takes the transaction and the time now, 0 when time stands still."""
    right: bool = False
    shorten: Callable[[str, int], str] = fit
    """Brings the text to a width; a host is cut in its middle."""


def status_role(transaction: Transaction) -> str:
    """Give the role of a status class (RFC 9110 section 15)."""
    classes = ("dim", "info", "ok", "redirect", "client-error", "server-error")
    group = transaction.status // 100
    return classes[group] if group < len(classes) else "warning"


def waited(transaction: Transaction, now: int) -> int:
    """Give the whole seconds that a live row has been live, 0 for others; its duration is shown anew when this changes."""
    if transaction.finished or not now:
        return 0
    return max(now - transaction.started_at, 0) // _SECOND


def _mark(transaction: Transaction, _now: int) -> Span:
    if transaction.incomplete:
        return "warning", INCOMPLETE
    return ("text", " ") if transaction.finished else ("live", LIVE)


def _arrow(transaction: Transaction, _now: int) -> Span:
    direction = transaction.connection.direction
    return direction, ARROWS[direction] + (PEER if transaction.peer else " ")


def _status(transaction: Transaction, _now: int) -> Span:
    if transaction.status:
        return status_role(transaction), str(transaction.status)
    return ("dim", "---") if transaction.finished else ("live", "···")


def _type(transaction: Transaction, _now: int) -> Span:
    found = _CONTENT_TYPE.search(transaction.response.head[:_HEAD_SEEN])
    if not found:
        return "dim", ""
    return "dim", _kind(found[1])


@lru_cache(maxsize=1024)
def _kind(media_type: bytes) -> str:
    kind = from_bytes(media_type).strip()
    for noise in ("application/", "text/", "image/", "x-", "vnd."):
        kind = kind.removeprefix(noise)
    return kind


def _process(cells: int) -> Callable[[Transaction, int], Span]:
    """Show the process so that its number is never what is cut off."""

    def cell(transaction: Transaction, _now: int) -> Span:
        process = transaction.connection.process
        pid = f"[{process.pid}]"
        name = process.binary or "?"
        room = max(cells - len(pid), 1)
        return "text", (name if len(name) <= room else fit(name, room)) + pid

    return cell


def _container(transaction: Transaction, _now: int) -> Span:
    container = transaction.connection.process.container
    return "dim", (container.name or container.id) if container else ""


def _size(transaction: Transaction, _now: int) -> Span:
    return "text", formats.size(transaction.response.wire_size) if transaction.response.wire_size else ""


def _sent(transaction: Transaction, _now: int) -> Span:
    return "text", formats.size(transaction.request.wire_size) if transaction.request.wire_size else ""


def _duration(transaction: Transaction, now: int) -> Span:
    seconds = waited(transaction, now)
    if seconds:
        return "live", formats.duration(seconds * _SECOND).replace(".0s", "s")
    return "text", formats.duration(transaction.duration) if transaction.status or transaction.finished else ""


COLUMNS = {
    "mark": Column("", 1, _mark),
    "time": Column("time", 8, lambda t, _: ("dim", formats.clock(t.started_at))),
    "exact time": Column("time", 12, lambda t, _: ("dim", formats.clock_ms(t.started_at))),
    "arrow": Column("", 2, _arrow),
    "method": Column("method", 6, lambda t, _: ("text", from_latin(t.method[:64]) or "?")),
    "status": Column("st", 3, _status),
    "host": Column("host", 0, lambda t, _: ("text", from_latin(t.host[:512])), shorten=fit_host),
    "path": Column("path", 0, lambda t, _: ("text", from_latin(t.target[:4096]) or ("?" if t.request.head else ""))),
    "type": Column("type", 10, _type),
    "process": Column("process", 13, _process(13)),
    "wide process": Column("process", 22, _process(22)),
    "container": Column("container", 16, _container),
    "sent": Column("sent", 5, _sent, right=True),
    "size": Column("size", 5, _size, right=True),
    "duration": Column("took", 6, _duration, right=True),
}

_TIERS = (
    (160, "mark|exact time|arrow|method|status|host|path|type|wide process|container|sent|size|duration"),
    (110, "mark|time|arrow|method|status|host|path|type|wide process|size|duration"),
    (92, "mark|time|arrow|method|status|host|path|process|size|duration"),
    (70, "mark|arrow|method|status|host|path|process|size|duration"),
    (0, "mark|arrow|method|status|host|path|duration"),
)
"""Least width of the list, and what it then shows."""


@lru_cache(maxsize=64)
def layout(width: int) -> tuple[tuple[Column, int], ...]:
    """Give the columns that `width` cells have room for, each with its own width; a blank cell stands between two."""
    names = next(names for least, names in _TIERS if width >= least).split("|")
    spare = width - sum(COLUMNS[name].width for name in names) - len(names)
    host = max(min(max(spare * 2 // 5, _LEAST_HOST), _MAX_HOST, spare - 4), 4)
    flexible = {"host": host, "path": max(spare - host, 4)}
    return tuple((COLUMNS[name], COLUMNS[name].width or flexible[name]) for name in names)


def heading(width: int) -> list[Span]:
    """Give the titles above the columns."""
    return [("label", fit(column.title, cells, right=column.right) + " ") for column, cells in layout(width)]


def row(transaction: Transaction, width: int, now: int) -> list[Span]:
    """Give the cells of one transaction."""
    spans: list[Span] = []
    for column, cells in layout(width):
        role, text = column.cell(transaction, now)
        shown = fit(text, cells, right=True) if column.right else column.shorten(text, cells)
        spans.append((role, shown + " "))
    return spans

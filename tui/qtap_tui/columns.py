"""The columns of the list: what each shows of a transaction, and what rows are sorted by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from qtap.model import Transaction
from qtap_tui import formats
from qtap_tui.document import Span
from qtap_tui.sorting import Key
from qtap_tui.text import fit, fit_host, from_bytes, from_latin

ARROWS = {"ingress": "←", "egress-internal": "→", "egress-external": "↗"}
LIVE, INCOMPLETE, PEER = "●", "!", "⇄"
_CONTENT_TYPE = re.compile(rb"\ncontent-type[ \t]*:[ \t]*([^\r\n;]{0,80})", re.IGNORECASE)
_HEAD_SEEN = 16384
"""Bytes of a head in which the list looks for a content type: a head of 1 MB costs no more than others."""
_SECOND = 1_000_000_000
_EXACT_TIME = 12
"""Cells of a time with its milliseconds."""
_KEY = 256
"""Characters of a text that rows are sorted by: a hostile one of a megabyte costs no more than others."""
Fitted = tuple[tuple[str, int], ...]
"""Names of columns, from left to right, and the cells that each has."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    width: int
    """Cells; 0 shares what is left."""
    says: str
    """What it shows, in a few words."""
    cell: Callable[[Transaction, int, int], Span]
    """Takes the transaction, the time now, 0 when time stands still, and the cells there are."""
    key: Key | None = None
    """What rows are sorted by; None for their arrival."""
    greatest_first: bool = False
    """Whether that is the order to begin with."""
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


def _state(transaction: Transaction, _now: int, _cells: int) -> Span:
    if transaction.incomplete:
        return "warning", INCOMPLETE
    return ("text", " ") if transaction.finished else ("live", LIVE)


def _state_key(transaction: Transaction, _now: int) -> int:
    return 2 if transaction.incomplete else not transaction.finished


def _time(transaction: Transaction, _now: int, cells: int) -> Span:
    exact = cells >= _EXACT_TIME
    return "dim", formats.clock_ms(transaction.started_at) if exact else formats.clock(transaction.started_at)


def _arrow(transaction: Transaction, _now: int, _cells: int) -> Span:
    direction = transaction.connection.direction
    return direction, ARROWS[direction] + (PEER if transaction.peer else " ")


def _status(transaction: Transaction, _now: int, _cells: int) -> Span:
    if transaction.status:
        return status_role(transaction), str(transaction.status)
    return ("dim", "---") if transaction.finished else ("live", "···")


def _path(transaction: Transaction, _now: int, _cells: int) -> Span:
    return "text", from_latin(transaction.target[:4096]) or ("?" if transaction.request.head else "")


def _type_of(transaction: Transaction, _now: int) -> str:
    found = _CONTENT_TYPE.search(transaction.response.head[:_HEAD_SEEN])
    return _kind(found[1]) if found else ""


@lru_cache(maxsize=1024)
def _kind(media_type: bytes) -> str:
    kind = from_bytes(media_type).strip()
    for noise in ("application/", "text/", "image/", "x-", "vnd."):
        kind = kind.removeprefix(noise)
    return kind


def _process(transaction: Transaction, _now: int, cells: int) -> Span:
    """Show the process so that its number is never what is cut off."""
    process = transaction.connection.process
    pid = f"[{process.pid}]"
    name = process.binary or "?"
    room = max(cells - len(pid), 1)
    return "text", (name if len(name) <= room else fit(name, room)) + pid


def _process_key(transaction: Transaction, _now: int) -> tuple[str, int]:
    process = transaction.connection.process
    return process.binary, process.pid


def _container_of(transaction: Transaction, _now: int) -> str:
    container = transaction.connection.process.container
    return (container.name or container.id) if container else ""


def _size(transaction: Transaction, _now: int, _cells: int) -> Span:
    return "text", formats.size(transaction.response.wire_size) if transaction.response.wire_size else ""


def _size_key(transaction: Transaction, _now: int) -> int:
    return transaction.response.wire_size


def _sent(transaction: Transaction, _now: int, _cells: int) -> Span:
    return "text", formats.size(transaction.request.wire_size) if transaction.request.wire_size else ""


def _sent_key(transaction: Transaction, _now: int) -> int:
    return transaction.request.wire_size


def _duration(transaction: Transaction, now: int, _cells: int) -> Span:
    seconds = waited(transaction, now)
    if seconds:
        return "live", formats.duration(seconds * _SECOND).replace(".0s", "s")
    return "text", formats.duration(transaction.duration) if transaction.status or transaction.finished else ""


def _duration_key(transaction: Transaction, now: int) -> int:
    return waited(transaction, now) * _SECOND or transaction.duration


COLUMNS = {
    "state": Column("", 1, f"{LIVE} live, {INCOMPLETE} incomplete", _state, _state_key, greatest_first=True),
    "time": Column("time", 8, "when it began; wide, to the millisecond", _time, greatest_first=True),
    "direction": Column("", 2, "← incoming, → ↗ outgoing, ⇄ both ends here", _arrow, lambda t, _: t.connection.direction),
    "method": Column(
        "method", 6, "method", lambda t, *_: ("text", from_latin(t.method[:64]) or "?"), lambda t, _: t.method[:64]
    ),
    "status": Column("st", 3, "status", _status, lambda t, _: t.status, greatest_first=True),
    "host": Column(
        "host", 0, "host", lambda t, *_: ("text", from_latin(t.host[:512])), lambda t, _: t.host[:_KEY], shorten=fit_host
    ),
    "path": Column("path", 0, "path and query", _path, lambda t, _: t.target[:_KEY]),
    "type": Column("type", 10, "type of the response body", lambda t, *_: ("dim", _type_of(t, 0)), _type_of),
    "process": Column("process", 13, "process and its number", _process, _process_key),
    "container": Column("container", 16, "container", lambda t, *_: ("dim", _container_of(t, 0)), _container_of),
    "sent": Column("sent", 5, "size of the request", _sent, _sent_key, greatest_first=True, right=True),
    "size": Column("size", 5, "size of the response", _size, _size_key, greatest_first=True, right=True),
    "duration": Column("took", 6, "time until the last byte", _duration, _duration_key, greatest_first=True, right=True),
}
"""By the name under which the user's file knows them."""


def row(transaction: Transaction, fitted: Fitted, now: int) -> list[Span]:
    """Give the cells of one transaction, a blank cell between two columns."""
    spans: list[Span] = []
    for name, cells in fitted:
        column = COLUMNS[name]
        role, text = column.cell(transaction, now, cells)
        shown = fit(text, cells, right=True) if column.right else column.shorten(text, cells)
        spans.append((role, shown + " "))
    return spans

"""Protocol Buffers without their schema (protobuf.dev/programming-guides/encoding): numbers, and what the bytes may mean."""

from __future__ import annotations

import struct
from typing import Final

Value = int | float | str | bytes | list["Field"]
Field = tuple[int, str, Value]
"""Number, kind (`varint`, `fixed64`, `fixed32`, `text`, `bytes`, `message`, `group`) and value."""

MOST_FIELDS: Final = 10_000
"""Of one message with all that is in it; a larger one is left as bytes."""
_DEEPEST: Final = 24
_LONGEST_VARINT: Final = 10
_VARINT, _FIXED64, _LENGTH, _GROUP, _END_GROUP, _FIXED32 = range(6)


class _NoMessageError(Exception):
    pass


class _Budget:
    """Fields that may still be read."""

    def __init__(self) -> None:
        self.left = MOST_FIELDS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _NoMessageError


def decode(data: bytes) -> list[Field] | None:
    """Read the fields of a message; None when `data` is none, or has more than MOST_FIELDS."""
    try:
        fields, end = _fields(data, 0, 0, _Budget(), 0)
    except (IndexError, struct.error, _NoMessageError):
        return None
    return fields if end == len(data) else None


def _fields(data: bytes, pos: int, depth: int, budget: _Budget, group: int) -> tuple[list[Field], int]:
    """Read fields up to the end, or up to that of `group` when not 0; give them and the position behind."""
    if depth > _DEEPEST:
        raise _NoMessageError
    fields: list[Field] = []
    while pos < len(data):
        budget.take()
        tag, pos = _varint(data, pos)
        number, wire = tag >> 3, tag & 7
        if not number or number >= 1 << 29:
            raise _NoMessageError
        if wire == _END_GROUP and number == group:
            return fields, pos
        if wire == _GROUP:
            inner, pos = _fields(data, pos, depth + 1, budget, number)
            fields.append((number, "group", inner))
            continue
        field, pos = _scalar(data, pos, number, wire, depth, budget)
        fields.append(field)
    if group:
        raise _NoMessageError
    return fields, pos


def _scalar(data: bytes, pos: int, number: int, wire: int, depth: int, budget: _Budget) -> tuple[Field, int]:  # noqa: PLR0917
    if wire == _VARINT:
        value, pos = _varint(data, pos)
        return (number, "varint", value), pos
    if wire in (_FIXED64, _FIXED32):
        size, kind = (8, "fixed64") if wire == _FIXED64 else (4, "fixed32")
        if pos + size > len(data):
            raise _NoMessageError
        return (number, kind, int.from_bytes(data[pos : pos + size], "little")), pos + size
    if wire != _LENGTH:
        raise _NoMessageError
    size, pos = _varint(data, pos)
    end = pos + size
    if end > len(data):
        raise _NoMessageError
    return (number, *_guess(data[pos:end], depth, budget)), end


def _guess(data: bytes, depth: int, budget: _Budget) -> tuple[str, Value]:
    """Say what a length-delimited value most likely is: text, a message, or bytes."""
    text = _text(data)
    if text is not None and text.isprintable():
        return "text", text
    try:
        inner, _ = _fields(data, 0, depth + 1, budget, 0)
    except (IndexError, _NoMessageError):
        if budget.left < 0:
            raise
        return ("bytes", data) if text is None else ("text", text)
    return "message", inner


def _text(data: bytes) -> str | None:
    """Read text that has no control characters but line ends and tabs."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.translate(_BLANKS).isprintable() else None


_BLANKS: Final = {ord(blank): " " for blank in "\t\n\r"}


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = data[pos + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return value & 0xFFFFFFFFFFFFFFFF, pos + index + 1
    raise _NoMessageError


def as_float(kind: str, value: int) -> float:
    """Read a `fixed32` or `fixed64` as the float that it may be."""
    form = "f" if kind == "fixed32" else "d"
    return float(struct.unpack(f"<{form}", value.to_bytes(4 if form == "f" else 8, "little"))[0])

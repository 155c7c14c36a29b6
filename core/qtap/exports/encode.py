"""Values to JSON bytes and times to text, shared by every export and by captures."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: RFC 3339 has four digits for the year."""


def encode(value: object) -> bytes:
    r"""Give `value` (a Struct, or builtins) as compact JSON in UTF-8; bytes become base64.

    Names that Linux gave and that are not UTF-8 (an executable's path, an argument) arrive with lone surrogates (PEP 383),
    which JSON in UTF-8 cannot hold; such a byte is written as the text `\xNN`.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_spelled(msgspec.to_builtins(value, builtin_types=(bytes, bytearray))))


def rfc3339(at: int) -> str:
    """Give a time, nanoseconds since the epoch, in UTC with nine digits (RFC 3339 section 5.6); clamped to 1970 to 9999."""
    second, rest = divmod(at, 1_000_000_000)
    return f"{_second(second)}.{rest:09d}Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(min(max(second, 0), _LAST_SECOND)))


def _spelled(value: Any) -> Any:  # noqa: ANN401 - any tree of builtins
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_spelled(key): _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return value

"""Values to JSON bytes and times to text, shared by every export and by captures."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_CONTROLS = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""In UTF-8, where no other character's bytes hold these."""
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: RFC 3339 has four digits for the year."""


def encode(value: object) -> bytes:
    r"""Give `value` (a Struct, or builtins) as compact JSON in UTF-8; bytes become base64.

    Names that Linux gave and that are not UTF-8 (an executable's path, an argument) arrive with lone surrogates (PEP 383),
    which JSON in UTF-8 cannot hold; such a byte is written as the text `\xNN`. DEL and the controls of U+0080 to U+009F are
    escaped like those that JSON itself asks to escape (RFC 8259 section 7), since terminals obey them too.
    """
    try:
        text = _encoder.encode(value)
    except UnicodeEncodeError:
        text = _encoder.encode(_spelled(msgspec.to_builtins(value, builtin_types=(bytes, bytearray))))
    return _CONTROLS.sub(_escaped, text) if b"\xc2" in text or b"\x7f" in text else text


def _escaped(control: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % control[0][-1]


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

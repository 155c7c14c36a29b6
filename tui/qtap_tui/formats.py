"""Numbers, times and reasons as people read them."""

from __future__ import annotations

import time
from functools import lru_cache

_UNITS = "kMGTP"
_THOUSAND = 1000
_TEN = 10
_MINUTE = 60
_HOUR = 3600

_LOST = "was lost on the way from the kernel (a larger --ring-size loses less)"
REASONS = {
    "request_body_cut": "the request body is longer than the limit (--http-buffer-size); the rest was counted, not kept",
    "response_body_cut": "the response body is longer than the limit (--http-buffer-size); the rest was counted, not kept",
    "request_body_lost": f"part of the request body {_LOST}",
    "response_body_lost": f"part of the response body {_LOST}",
    "request_body_unfinished": "the request body ended before its announced end",
    "response_body_unfinished": "the response body ended before its announced end",
    "request_body_size_unknown": "how long the request body is was lost with it; its size is what was counted",
    "response_body_size_unknown": "how long the response body is was lost with it; its size is what was counted",
    "request_lost": f"the request was not seen: it {_LOST}, or the server spoke unasked",
    "response_lost": f"the response {_LOST}",
    "request_head_lost": f"the head of the request {_LOST}",
    "response_head_lost": f"the head of the response {_LOST}",
    "request_head_unfinished": "the server answered before the head of the request was whole; its whole lines are known",
    "request_headers_unknown": "some request headers refer to ones that were not seen; they are marked ‹unknown›",
    "response_headers_unknown": "some response headers refer to ones that were not seen; they are marked ‹unknown›",
    "refused_by_goaway": "the server closed the connection to new requests before it looked at this one (GOAWAY)",
    "attached_mid_connection": "capture began in the middle of this connection; the request was sent before",
    "closed_without_response": "the connection was closed before a response came",
    "connection_closed": "the connection was closed before the exchange was over",
    "connection_table_full": "too many connections at once; this one was no longer followed",
    "messages_cut": "a message is longer than the limit (--http-buffer-size); the rest was counted, not kept",
    "messages_dropped": "the oldest messages were dropped: only the latest are kept, within the limit (--http-buffer-size)",
    "messages_lost": "messages, or parts of them, were lost on the way from the kernel",
    "messages_unreadable": "compressed messages refer to earlier ones that were lost, so they cannot be read",
    "capture_ended": "capture ended before the exchange was over",
}
"""The reasons of docs/output.md for `incomplete`, as sentences."""

_RESET = "stream_reset_"

_LAST_SECOND = 253_402_300_799 - 86_400
"""About the end of the year 9999, in any zone."""


def reason(word: str) -> str:
    """Explain one word of `Transaction.incomplete`."""
    code = word.removeprefix(_RESET)
    if code != word:
        return f"one side ended the stream before its end ({code.upper()})"
    return REASONS.get(word, word.replace("_", " "))


def count(number: int) -> str:
    """Write 1234567 as `1,234,567`."""
    return f"{number:,}"


def size(number: int) -> str:
    """Write a number of bytes in at most five characters: `999`, `1.2k`, `12k`, `3.4M`; units are powers of 1000."""
    if number < _THOUSAND:
        return str(number)
    value = float(number)
    for unit in _UNITS:
        value /= _THOUSAND
        if value < _THOUSAND - 0.5:
            return f"{value:.1f}{unit}" if value < _TEN - 0.05 else f"{value:.0f}{unit}"
    return "huge"


def duration(nanoseconds: int) -> str:
    """Write a time span in at most six characters: `85µs`, `1.2ms`, `120ms`, `3.4s`, `2m05s`, `3h12m`."""
    seconds = nanoseconds / 1e9
    if seconds < 0.0009995:  # noqa: PLR2004 - 999.5 us round to a millisecond
        return f"{nanoseconds / 1e3:.0f}µs"
    if seconds < 0.9995:  # noqa: PLR2004 - 999.5 ms round to a second
        return f"{seconds * 1e3:.1f}ms" if seconds < 0.00995 else f"{seconds * 1e3:.0f}ms"  # noqa: PLR2004 - two digits
    if seconds < _MINUTE:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m" if whole < 100 * _HOUR else f"{whole // _HOUR}h"


def _local(at: int) -> time.struct_time:
    """Break down a time; one of a damaged capture, which no calendar has, becomes the nearest that it has."""
    return time.localtime(min(max(at // 1_000_000_000, 0), _LAST_SECOND))


def clock(at: int) -> str:
    """Write a time (nanoseconds since the epoch) as `HH:MM:SS` of this host's zone."""
    return _clock(at // 1_000_000_000, time.tzname) if at else "--:--:--"


@lru_cache(maxsize=256)
def _clock(second: int, _zone: tuple[str, str]) -> str:
    return time.strftime("%H:%M:%S", _local(second * 1_000_000_000))


def clock_ms(at: int) -> str:
    """Write a time as `HH:MM:SS.mmm`."""
    return f"{clock(at)}.{at // 1_000_000 % 1000:03}"


def moment(at: int) -> str:
    """Write a time in full: date, microseconds and zone."""
    if not at:
        return "unknown"
    local = _local(at)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{at // 1000 % 1_000_000:06} {time.strftime('%Z', local)}"

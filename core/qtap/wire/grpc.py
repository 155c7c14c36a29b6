"""gRPC: calls, messages and status (grpc/doc/PROTOCOL-HTTP2.md, PROTOCOL-WEB.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from qtap.model import Transaction

_PREFIX: Final = 5
_COMPRESSED: Final = 1
_TRAILERS: Final = 0x80
_STATUS_NAMES: Final = (
    *(
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
    ),
    *("RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE"),
    *("DATA_LOSS", "UNAUTHENTICATED"),
)
"""grpc/doc/statuscodes.md."""


class Call(NamedTuple):
    """What a transaction says as a gRPC call; empty where it was not seen."""

    service: str
    method: str
    status: str
    """The number, as sent."""
    status_name: str
    message: str


def call_of(transaction: Transaction) -> Call | None:
    """Read a gRPC call; None when `transaction` is none."""
    if transaction.protocol != "grpc":
        return None
    service, _, method = transaction.path.lstrip("/").rpartition("/")
    # A call without messages has its status in the head ("Trailers-Only").
    trailers = dict(transaction.response.trailer_fields or transaction.response.fields)
    status = trailers.get(b"grpc-status", b"").decode("latin-1")
    message = unquote_to_bytes(trailers.get(b"grpc-message", b"")).decode("utf-8", "replace")
    return Call(service, method, status, status_name(status), message)


def status_name(status: str) -> str:
    """Name a status; empty for what is no known number."""
    number = int(status) if status.isascii() and status.isdigit() and len(status) < 3 else -1  # noqa: PLR2004 - two digits
    return _STATUS_NAMES[number] if 0 <= number < len(_STATUS_NAMES) else ""


class LengthPrefixed(NamedTuple):
    """One message of a body."""

    data: bytes
    compressed: bool
    trailers: bool
    """gRPC-Web's trailers, as header lines."""
    size: int
    """As announced; `data` is shorter where the body was cut."""


def messages(body: bytes) -> Iterator[LengthPrefixed]:
    """Give the messages of a body, the last one perhaps cut; what cannot be a message ends them."""
    pos = 0
    while pos + _PREFIX <= len(body):
        flags, size = body[pos], int.from_bytes(body[pos + 1 : pos + _PREFIX])
        if flags & ~(_COMPRESSED | _TRAILERS):
            return
        pos += _PREFIX
        yield LengthPrefixed(body[pos : pos + size], bool(flags & _COMPRESSED), bool(flags & _TRAILERS), size)
        pos += size

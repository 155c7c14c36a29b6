"""One line of a capture: a record of the model with its kind in front (docs/capture-format.md).

The fields are those of `qtap.model`, so nothing is lost on the way; docs/capture.schema.json pins their names. Encoding an
ordinary transaction (22 header lines, bodies of 1 KB) takes 3 us, decoding it 7 us.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

import msgspec

from qtap import __version__
from qtap.exports.encode import encode
from qtap.model import Connection, Loss, Message, Process, Transaction
from qtap.model.xid import new_xid

FORMAT: Final = "qtap-tui"
VERSION: Final = 1
LINE_LIMIT: Final = 64 << 20
"""The longest line that is written or read, in bytes: bounds the memory that a hostile file can ask for."""

Record = Transaction | Connection | Process | Loss


class CaptureError(Exception):
    """A capture cannot be written or read; the text is one sentence for the user, with the file's name."""


class Header(msgspec.Struct, frozen=True):
    """The first line: what this is and where it came from."""

    format: str
    version: int
    host: str = ""
    """The name of the host that was captured."""
    instance: str = ""
    """The run of the program that captured, an xid."""
    program: str = f"qtap-tui {__version__}"
    created_at: int = 0
    kernel: str = ""

    @classmethod
    def here(cls) -> Header:
        """Describe this host, this program and now."""
        now, system = time.time_ns(), os.uname()
        return cls(FORMAT, VERSION, host=system.nodename, instance=new_xid(now), created_at=now, kernel=system.release)


class _Message(Message):
    """A Message as JSON can be told to read it: its body is whole, so never a bytearray."""

    body: bytes = b""


class _Transaction(Transaction):
    request: _Message = msgspec.field(default_factory=_Message)
    response: _Message = msgspec.field(default_factory=_Message)


class _Kind(msgspec.Struct):
    kind: str


_KINDS: Final[dict[type, bytes]] = {
    Header: b"capture",
    Transaction: b"transaction",
    Connection: b"connection",
    Process: b"process",
    Loss: b"loss",
}
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind.decode(): msgspec.json.Decoder(_Transaction if struct is Transaction else struct) for struct, kind in _KINDS.items()
}
_kind_decoder = msgspec.json.Decoder(_Kind)


def encode_record(record: Record | Header) -> bytes:
    """Give the line of `record`, with its newline."""
    # Every struct writes at least one field, so what follows the brace is a field.
    return b'{"kind":"%b",%b\n' % (_KINDS[type(record)], encode(record)[1:])


def decode_record(line: bytes) -> Record | Header | None:
    """Give the record of one line, or None when its kind is not known; msgspec.DecodeError when it is no record.

    Raises:
        msgspec.DecodeError: not JSON, not an object with a `kind`, or a field of the wrong type (ValidationError).
    """
    try:
        decoder = _DECODERS.get(_kind_decoder.decode(line).kind)
        record = decoder.decode(line) if decoder is not None else None
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
    return _plain(record) if isinstance(record, _Transaction) else record


def _plain(read: _Transaction) -> Transaction:
    fields = msgspec.structs.asdict(read)
    fields["request"] = Message(**msgspec.structs.asdict(read.request))
    fields["response"] = Message(**msgspec.structs.asdict(read.response))
    return Transaction(**fields)

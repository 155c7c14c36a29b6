"""Pieces of a transaction that leave the screen: through the terminal's clipboard or into a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

from qtap.exports.curl import to_curl
from qtap.model import Message, Transaction
from qtap_tui.bodies.coding import decode
from qtap_tui.text import from_latin

Kind = Literal["curl", "url", "response", "request"]
_NAMES: dict[Kind, str] = {
    "curl": "the curl command",
    "url": "the URL",
    "response": "the response body",
    "request": "the request body",
}
_ENDINGS: dict[Kind, str] = {"curl": "sh", "url": "txt", "response": "body", "request": "body"}
_CLIPBOARD = 74_994
"""Bytes that fit in an OSC 52 sequence of 100 000 characters of base64, which is what xterm and tmux take."""


class CannotCopyError(Exception):
    """The piece cannot be copied or saved; the text is one sentence with what can be done instead."""


class Piece(NamedTuple):
    """Something to copy or save."""

    kind: Kind
    data: bytes
    note: str
    """What the user should know of it: that it is cut, what was decoded; else empty."""

    @property
    def name(self) -> str:
        """What it is, for a sentence."""
        return _NAMES[self.kind]


def piece(transaction: Transaction, kind: Kind) -> Piece:
    """Take a piece of `transaction`; raises CannotCopyError when there is nothing."""
    if kind == "curl":
        return Piece(kind, to_curl(transaction).encode(), "")
    if kind == "url":
        return Piece(kind, from_latin(transaction.url).encode(), "")
    message = transaction.request if kind == "request" else transaction.response
    if not message.body:
        raise CannotCopyError(f"{_NAMES[kind]} is empty or was not kept")
    return _body(kind, message, finished=transaction.finished)


def _body(kind: Kind, message: Message, *, finished: bool) -> Piece:
    decoded = decode(bytes(message.body), message.field("content-encoding"))
    notes = list(decoded.notes)
    if message.body_missing > 0 or not message.complete:
        notes.append("cut" if finished else "so far")
    return Piece(kind, decoded.data, ", ".join(notes))


def as_text(found: Piece) -> str:
    """Give a piece as the text that a clipboard takes; raises CannotCopyError for other bytes, and for too many."""
    if len(found.data) > _CLIPBOARD:
        raise CannotCopyError(f"{found.name} is longer than a terminal's clipboard takes: save it with the capital letter")
    try:
        return found.data.decode()
    except UnicodeDecodeError:
        raise CannotCopyError(f"{found.name} is not UTF-8 text: save it with the capital letter") from None


def save(found: Piece, transaction_id: str, folder: Path) -> Path:
    """Write a piece to a new file in `folder` that only its owner may read; raises CannotCopyError."""
    path = folder / f"qtap-{transaction_id}-{found.kind}.{_ENDINGS[found.kind]}"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(found.data if found.kind in ("request", "response") else found.data + b"\n")
    except FileExistsError:
        raise CannotCopyError(f"{path} exists already") from None
    except OSError as error:
        raise CannotCopyError(f"cannot write {path}: {error.strerror}") from None
    return path

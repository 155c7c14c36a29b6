"""What leaves the program about one transaction: JSON lines for programs, texts for people.

`EXPORTS` is the registry that menus and the `export` command read: one function a format, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from qtap.exports.curl import to_curl
from qtap.exports.http_transaction import to_json
from qtap.model import Transaction

EXPORTS: dict[str, Callable[[Transaction], str]] = {"curl": to_curl, "json": to_json}
"""Format name to the function that writes it."""

__all__ = ["EXPORTS", "to_curl", "to_json"]

"""What leaves the program about transactions: JSON lines for programs, texts for people.

`EXPORTS` is the registry that the `export` command reads: one function a format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from qtap.exports.curl import to_curl
from qtap.exports.event import System, line_for
from qtap.exports.shell import quote
from qtap.model import Transaction


def commands(transactions: Iterable[Transaction], _system: System) -> Iterator[bytes]:
    """Give a curl command for each request, an empty line between them: a script, whatever a capture of others holds."""
    for transaction in transactions:
        seen = bool(transaction.request.head)
        text = (
            to_curl(transaction)
            if seen
            else f"# {quote(transaction.id.encode())}: this request was not seen, only its response"
        )
        yield text.encode() + b"\n\n"


def lines(transactions: Iterable[Transaction], system: System) -> Iterator[bytes]:
    """Give the `http_transaction` lines of docs/output.md."""
    for transaction in transactions:
        yield line_for(transaction, tags=system.all_tags)


EXPORTS: dict[str, Callable[[Iterable[Transaction], System], Iterator[bytes]]] = {"curl": commands, "jsonl": lines}
"""Format name to the function that writes it, of the host and run `System` that the transactions were captured by."""

__all__ = ["EXPORTS", "System", "to_curl"]

"""The store that prints: one JSON line an event, to a file descriptor."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Iterator, Sequence

from qtap.exports.event import System, connection_line, line_for, loss_line, process_line
from qtap.exports.http_transaction import Level
from qtap.model import Connection, Loss, Transaction
from qtap.stores.sink import Item, QueuedSink

_PIECE = 1 << 20


class LineStore(QueuedSink):
    """Prints the lines of docs/output.md, flushed twenty times a second, one write a batch (or megabyte).

    It writes to the descriptor itself: a buffered stream would be locked by the store's thread when the program ends beside a
    reader that does not read. `on_closed` is told of a closed pipe (BrokenPipeError) or a full disk. With `wait` the source is
    slowed down to the speed of the reader instead of losing lines.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        system: System,
        level: Level = "full",
        on_closed: Callable[[OSError], None] | None = None,
        wait: bool = False,
        max_items: int = 100_000,
        max_bytes: int = 64 << 20,
        name: str = "qtap-store-stdout",
    ) -> None:
        self._descriptor = descriptor
        self._system = system
        self._level = level
        self._tags = system.all_tags
        super().__init__(name, on_closed=on_closed, wait=wait, max_items=max_items, max_bytes=max_bytes)

    def write(self, items: Sequence[Item]) -> None:
        """Encode and print `items`."""
        for piece in in_pieces(map(self._line, items)):
            write_all(self._descriptor, piece)

    def _line(self, item: Item) -> bytes:
        if isinstance(item, Transaction):
            return line_for(item, self._level, self._tags)
        if isinstance(item, Connection):
            return connection_line(item, self._system)
        return loss_line(item) if isinstance(item, Loss) else process_line(item, self._system)


def in_pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join `lines` to pieces of about 1 MB, so that a long batch is not in memory twice; each ends with a line."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if size:
        yield b"".join(piece)


def write_all(descriptor: int, data: bytes) -> None:
    """Write the whole of `data`, also to a descriptor that another program made non-blocking; OSError when it cannot."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)

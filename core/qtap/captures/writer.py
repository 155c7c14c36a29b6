"""Recording: a Sink that writes a capture."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zstandard

from qtap.captures.format import LINE_LIMIT, CaptureError, Header, encode_record
from qtap.model import Loss
from qtap.stores.lines import in_pieces, write_all
from qtap.stores.sink import Item, QueuedSink

_INTERVAL = 0.25
"""Seconds of traffic that one write, and one zstd frame, gathers; kill -9 loses no more."""
_LEVEL = 3
_KINDS = {
    stat.S_IFDIR: "a directory; name a file in it",
    stat.S_IFLNK: "a symbolic link; name a file itself",
    stat.S_IFIFO: "a pipe; give - and send standard output there",
    stat.S_IFCHR: "a device; name a file, or give - for standard output",
}
"""What a name may stand for instead of a file, and what to do then."""


class Recorder(QueuedSink):
    """Writes what it is given to `path` (`-` is standard output), on the thread `qtap-recorder`.

    The file is readable by its owner only and is never overwritten unless `force`; a name that ends in `.zst` makes a chain of
    zstd frames, each complete. `header` is carried over when a capture is replayed into a new one. With `wait` the source is
    slowed down to the speed of the disk instead of losing records. `on_closed` is told when writing failed.

    Raises:
        CaptureError: the file exists, or cannot be created or written.
    """

    def __init__(
        self,
        path: str,
        *,
        header: Header | None = None,
        force: bool = False,
        wait: bool = False,
        on_closed: Callable[[OSError], None] | None = None,
        max_items: int = 100_000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self.path = path
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL) if path.endswith(".zst") else None
        self._descriptor = os.dup(1) if path == "-" else create(path, force=force)
        self._oversized_at = time.time_ns()
        self._file_closed = False
        try:
            self._write_out(encode_record(header or Header.here()))
        except OSError as error:
            os.close(self._descriptor)
            name = "standard output" if path == "-" else path
            raise CaptureError(f"cannot write {name}: {_reason(error)}") from None
        super().__init__(
            "qtap-recorder",
            on_closed=on_closed,
            interval=_INTERVAL,
            max_items=max_items,
            max_bytes=max_bytes,
            wait=wait,
        )

    def write(self, items: Sequence[Item]) -> None:
        """Encode and write `items`, in pieces that can be read alone."""
        for piece in in_pieces(map(self._line, items)):
            self._write_out(piece)

    def stop(self, timeout: float = 1.0) -> int:
        """Write what is queued within `timeout` seconds, close the file; give the number of records that were not written."""
        left = super().stop(timeout)
        if not left and not self._file_closed:
            self._file_closed = True
            os.close(self._descriptor)
        return left

    def _line(self, item: Item) -> bytes:
        line = encode_record(item)
        if len(line) <= LINE_LIMIT:
            return line
        since, self._oversized_at = self._oversized_at, time.time_ns()
        return encode_record(Loss("store", 1, since, self._oversized_at, "transactions"))

    def _write_out(self, lines: bytes) -> None:
        write_all(self._descriptor, self._compressor.compress(lines) if self._compressor else lines)


def create(path: str, *, force: bool) -> int:
    """Create the file anew, for its owner only; a link or anything that is no regular file is never written through."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            raise CaptureError(f"cannot write to {path}: it is {_KINDS.get(stat.S_IFMT(mode), 'no file; name one')}")
        if not force:
            raise CaptureError(f"{path} exists already: choose another name, or overwrite it with --force")
        Path(path).unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CaptureError(f"cannot replace {path}: {_reason(error)}") from None
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError as error:
        folder = Path(path).parent
        reason = _reason(error) if folder.is_dir() else f"there is no folder {folder}"
        raise CaptureError(f"cannot create {path}: {reason}") from None
    except OSError as error:
        raise CaptureError(f"cannot create {path}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

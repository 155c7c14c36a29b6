"""The body of one HTTP/1 message: where it ends, in order and behind a loss (RFC 9112 sections 6, 7).

Bytes go straight from the captured call into the message; only a piece of a framing line is ever held back, so a body of any
size, in chunks of any size, takes linear time and at most the body limit in memory.
"""

from __future__ import annotations

from typing import Final

from qtap.model import Message, Transaction
from qtap.wire.http1_kept import Kept
from qtap.wire.http1_syntax import CHUNK_LINE, CHUNKED

ADRIFT: Final = 1
"""The message is open, but its framing was lost: only a later head, or the connection's end, can end it."""
LENGTH: Final = 2
"""`remaining` bytes of the body are to come."""
CHUNK: Final = 3
"""`remaining` bytes of this chunk are to come."""
SIZE: Final = 4
CHUNK_END: Final = 5
TRAILERS: Final = 6
UNTIL_CLOSE: Final = 7

MAX_LINE: Final = 1 << 14
"""Bytes of a chunk-size or trailer line; a longer one counts as broken framing."""
MAX_TRAILERS: Final = 1 << 14
"""Bytes of trailers that are kept."""

_CR = 13
_LF = 10


class Body(Kept):
    """Reads the bodies of one direction, one after another."""

    __slots__ = ("_chunked", "_line", "remaining")

    def __init__(self, side: str, limit: int) -> None:
        super().__init__(side, limit)
        self.remaining = 0
        self._chunked = False
        self._line = b""

    def start(self, transaction: Transaction, message: Message, length: int) -> None:
        """Open `message`, whose head is complete; `length` is what `http1_syntax.framing` gives, 0 for none."""
        self.transaction, self.message = transaction, message
        self.lossy = False
        self._frozen = not self._limit
        self._chunked = length == CHUNKED
        if length > 0:
            self.remaining = length
            self.state = LENGTH
        elif length == 0:
            message.complete = True
        else:
            self.state = SIZE if self._chunked else UNTIL_CLOSE

    def read(self, data: bytes, pos: int, at: int) -> int:
        """Read `data` from `pos` until the message ends or the data does, and give the position reached."""
        message, start, size = self.message, pos, len(data)
        message.last_at = at
        while pos < size and self.state:
            state = self.state
            if state <= CHUNK:
                pos = self._read_piece(data, pos)
            elif state == SIZE:
                pos = self._read_size(data, pos)
            elif state == CHUNK_END:
                pos = self._read_chunk_end(data, pos)
            elif state == TRAILERS:
                pos = self._read_trailer(data, pos)
            else:
                self._keep(data, pos, size)
                pos = size
        message.wire_size += pos - start
        return pos

    def lose(self, size: int, at: int) -> int:
        """Count `size` lost bytes (below 0: unknown how many); give how many of them may have held other messages.

        A loss within a length or a chunk is exact, and framing goes on behind it; any other sets the body ADRIFT.
        """
        self._mark_lost()
        if size > 0 and (self.state == LENGTH or (self.state == CHUNK and size <= self.remaining)):
            return self._pass(size, at)
        if size < 0 or self.state != UNTIL_CLOSE:
            self.mark("size_unknown")
        return self._pass_unframed(size, at)

    def skip(self, size: int, at: int, *, ends_chunked: bool) -> int:
        """Count `size` bytes that were not copied; give how many of them lie behind the message's end."""
        self._frozen = True
        if self.state == LENGTH:
            return self._pass(size, at)
        self._pass_unframed(size, at)
        if ends_chunked and self._chunked:
            self.end(complete=not self.lossy)
        return 0

    def drift(self, data: bytes, at: int) -> None:
        """Count `data`, which belongs to a message whose framing was lost, and end it where a last chunk seems to be."""
        last = self._chunked and (data == b"0\r\n\r\n" or data.endswith(b"\n0\r\n\r\n"))
        self.skip(len(data), at, ends_chunked=last)

    @property
    def expects_line(self) -> bool:
        """Whether a framing line or its end comes next, which no head can be mistaken for."""
        return self.state in (SIZE, CHUNK_END, TRAILERS)

    def overtake(self) -> None:
        """Close the message because the next one has begun: a fault, unless only the copying had stopped."""
        if self.state != ADRIFT:
            self.mark("unfinished")
        self.end(complete=self.state == ADRIFT and not self.lossy)

    def close(self) -> None:
        """Close the message because its side closed (RFC 9112 section 6.3 item 8)."""
        if self.state == UNTIL_CLOSE:
            self.end(complete=True)
        else:
            self.stop()

    def stop(self, reason: str = "") -> None:
        """Close the message for want of bytes, and mark the transaction with `reason` too, if given."""
        assert self.transaction is not None
        if self.state != ADRIFT or not self.lossy:
            self.mark("unfinished")
        if reason:
            self.transaction.mark(reason)
        self.end(complete=False)

    def end(self, *, complete: bool) -> None:
        """Close the message."""
        self._line = b""
        super().end(complete=complete)

    def _read_piece(self, data: bytes, pos: int) -> int:
        end = pos + self.remaining
        if end > len(data):
            end = len(data)
            self.remaining -= end - pos
            self._keep(data, pos, end)
            return end
        self.remaining = 0
        if self.state == LENGTH:
            self._keep_whole(data, pos, end)
            return end
        self._keep(data, pos, end)
        if data.startswith(b"\r\n", end):
            self.state = SIZE
            return end + 2
        self.state = CHUNK_END
        return end

    def _keep_whole(self, data: bytes, pos: int, end: int) -> None:
        """Add the last bytes of a body with a length, in the common case all of them in one slice."""
        message = self.message
        if message.body_size or self._frozen or end - pos > self._limit:
            self._keep(data, pos, end)
        else:
            message.body = data[pos:end]
            message.body_size = end - pos
        self.end(complete=True)

    def _piece_done(self) -> None:
        if self.state == LENGTH:
            self.end(complete=True)
        else:
            self.state = CHUNK_END

    def _read_size(self, data: bytes, pos: int) -> int:
        line = None if self._line else CHUNK_LINE.match(data, pos)
        if line:
            end = line.end()
        else:
            end = data.find(b"\n", pos) + 1
            if not end:
                return self._hold(data, pos)
            line = CHUNK_LINE.match(self._finish_line(data, pos, end))
            if not line:
                return self._go_adrift(data, pos)
        self.remaining = size = int(line[1] or b"0", 16)
        self.state = CHUNK if size else TRAILERS
        return self._read_piece(data, end) if size else end

    def _read_chunk_end(self, data: bytes, pos: int) -> int:
        # Not only CRLF: some writers end a chunk with LF, and a call may end between the two.
        byte = data[pos]
        if byte == _LF:
            self.state = SIZE
        elif byte != _CR:
            return self._go_adrift(data, pos)
        return pos + 1

    def _read_trailer(self, data: bytes, pos: int) -> int:
        end = data.find(b"\n", pos) + 1
        if not end:
            return self._hold(data, pos)
        line = self._finish_line(data, pos, end)
        if line in (b"\r\n", b"\n"):
            self.end(complete=True)
        elif len(self.message.trailers) + len(line) <= MAX_TRAILERS:
            self.message.trailers += line
        return end

    def _finish_line(self, data: bytes, pos: int, end: int) -> bytes:
        line = self._line + data[pos:end]
        self._line = b""
        return line

    def _hold(self, data: bytes, pos: int) -> int:
        self._line += data[pos:]
        if len(self._line) > MAX_LINE:
            return self._go_adrift(data, pos)
        return len(data)

    def _go_adrift(self, data: bytes, pos: int) -> int:
        self._mark_lost()
        self.mark("size_unknown")
        self.state = ADRIFT
        self._line = b""
        self.message.body_size += len(data) - pos
        return len(data)

    def _pass(self, size: int, at: int) -> int:
        """Count bytes of the body unseen, up to the end of the length or chunk; give how many lie behind."""
        taken = min(size, self.remaining)
        self._count(taken, at)
        self.remaining -= taken
        if not self.remaining:
            self._piece_done()
        return size - taken

    def _pass_unframed(self, size: int, at: int) -> int:
        """Count bytes of which nobody knows whether they are body, framing, or more."""
        self._count(max(size, 0), at)
        if self.state != UNTIL_CLOSE:
            self.state = ADRIFT
        self._line = b""
        return size

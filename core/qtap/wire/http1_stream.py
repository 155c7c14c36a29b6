"""One direction of an HTTP/1 connection: where messages start.

A stream is in step when it knows where the next message starts: right behind the last one. Out of step it waits for the
beginning of a captured call (`boundary`) that looks like a head, because one write() almost always starts at a message's start.
A body whose framing was lost stays open until then. In step or not, a head of which only a part has come is kept in a buffer;
nothing else is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from qtap.wire.http1_body import ADRIFT, Body
from qtap.wire.http1_kept import OVER
from qtap.wire.http1_syntax import end_of_head

MAX_HEAD: Final = 1 << 20
"""Bytes of a head; a longer one counts as lost."""
_LARGE_HEAD: Final = 1 << 14
"""Bytes from which a half-read head is given up when memory is short; servers refuse most that are larger."""
_SMALLEST_HEAD: Final = 16
"""`HTTP/1.1 200` and two line ends: fewer lost bytes cannot hide a message."""


class Stream(ABC):
    """Reads one direction; what a head looks like and means is for the subclass."""

    __slots__ = (
        "_alone",
        "_blank_so_far",
        "_buffer",
        "_first_at",
        "_in_step",
        "_line_seen",
        "_small_gap",
        "_untouched",
        "body",
        "done",
        "rest",
        "turn_opaque",
    )

    def __init__(self, body: Body, turn_opaque: Callable[[], None], *, from_start: bool) -> None:
        self.body = body
        self.done = False
        """Nothing more is read."""
        self.rest = b""
        """What stood, in its call, behind the head that turned the connection opaque."""
        self.turn_opaque = turn_opaque
        self._in_step = from_start
        self._alone = True
        """No other message stands before the next head, or before the one in the buffer, in its call."""
        self._untouched = from_start
        """Nothing has been recognized or lost since the connection began."""
        self._small_gap = False
        """The last bytes before these were lost, too few for a whole head."""
        self._buffer = bytearray()
        self._line_seen = False
        """The start line in the buffer is whole and good."""
        self._first_at = 0
        self._blank_so_far = False
        """Out of step, this call has brought only line ends, which may stand before a head (RFC 9112 section 2.2)."""

    @abstractmethod
    def begin(self, head: bytes, first_at: int, at: int, *, ordinary: bool, alone: bool) -> bool:
        """Start the message with this head, whose bytes passed between the two times, or give False when it is no head.

        `ordinary` asks for stronger evidence; `alone` tells that the head is the first thing in its call.
        """

    @abstractmethod
    def ended(self) -> None:
        """The body is over, completely or not."""

    @abstractmethod
    def heads_lost(self) -> None:
        """Heads of this direction may have passed unseen."""

    @abstractmethod
    def passed_by(self) -> None:
        """Bytes passed that could not be told apart."""

    @abstractmethod
    def overtaken(self, data: bytes) -> bool:
        """Tell whether `data`, a call of its own inside the open message's body, is the next message instead."""

    @abstractmethod
    def unrecognized(self) -> None:
        """The first bytes of the connection are no head."""

    @abstractmethod
    def starts(self, data: bytes, *, ordinary: bool = True) -> bool:
        """Tell whether `data` starts with a whole start line; `ordinary` as in `begin`."""

    @abstractmethod
    def may_begin(self, data: bytes | bytearray) -> bool:
        """Tell whether `data`, without LF, can be the beginning of a start line."""

    @abstractmethod
    def begins(self, data: bytes) -> bool:
        """Tell whether `data` begins as nothing but a head does."""

    @abstractmethod
    def may_go_on(self, kept: bytearray) -> bool:
        """Tell whether `kept`, found out of step, is likely enough a head's beginning to be continued by a later call."""

    @property
    def idle(self) -> bool:
        """No message open and no head half read."""
        return not self.body.state and not self._buffer

    @property
    def held(self) -> int:
        """Bytes kept of the message that is arriving."""
        return self.body.held + len(self._buffer)

    def keep_no_more(self) -> None:
        """Cut the body that is arriving; a large head that is only half there is lost."""
        self.body.keep_no_more()
        if len(self._buffer) > _LARGE_HEAD:
            self._small_gap = False
            self._go_on_behind(len(self._buffer), was_open=False)

    def feed(self, data: bytes, at: int, boundary: bool) -> None:
        """Read what one call, or a later part of it, carried."""
        body = self.body
        if self._buffer:
            data = self._resume(data, at, boundary)
        elif boundary:
            self._alone = True
            if body.state > ADRIFT and self.overtaken(data):
                self.cut_short()
        elif not self._in_step and not self._blank_so_far:
            self._pass_by(data, at)
            return
        if not self._in_step:
            self._blank_so_far = bool(data) and not data.strip(b"\r\n")
        pos, size = 0, len(data)
        while pos < size and not self.done:
            pos = self._read_body(data, pos, at) if body.state > ADRIFT else self._read_head(data, pos, at)
        if self.done:
            self.rest = data[pos:]

    def gap(self, size: int, at: int) -> None:
        """Go on after `size` lost bytes (below 0: unknown how many)."""
        was_open = self.body.state != OVER
        behind = self.body.lose(size, at) if was_open else size
        between_messages = self.body.state == ADRIFT and not self._buffer and not self._small_gap
        self._small_gap = between_messages and 0 < behind < _SMALLEST_HEAD
        self._go_on_behind(behind, was_open=was_open)

    def skip(self, size: int, at: int, *, ends_chunked: bool) -> None:
        """Count `size` bytes that passed without being copied."""
        was_open = self.body.state != OVER
        behind = self.body.skip(size, at, ends_chunked=ends_chunked) if was_open else size
        self._small_gap = False
        self._go_on_behind(behind, was_open=was_open)
        if self.body.state == ADRIFT:
            self.passed_by()

    def close(self) -> None:
        """End the open message, this side having closed: completely only when closing is its framing.

        A head that was half read stays, for an answer to say what had come of it.
        """
        if not (self._in_step and self._buffer):
            self._forget()
            self._in_step = False
        if self.body.state:
            self.body.close()
            self.ended()

    def stop(self, reason: str = "") -> None:
        """Read nothing more; end the open message, with `reason` if given."""
        self._forget()
        self.done = True
        if self.body.state:
            self.body.stop(reason)
            self.ended()

    def cut_short(self) -> None:
        """End the open message because the next one has begun."""
        self.body.overtake()
        self.ended()

    def _read_body(self, data: bytes, pos: int, at: int) -> int:
        body = self.body
        pos = body.read(data, pos, at)
        self._alone = False
        if not body.state:
            self.ended()
        elif body.state == ADRIFT:
            self._in_step = False
            self.passed_by()
        return pos

    def _read_head(self, data: bytes, pos: int, at: int) -> int:
        if data[pos] in b"\r\n":
            return pos + 1
        end = end_of_head(data, pos)
        if end < 0:
            return self._hold(data, pos, at)
        first_at, self._first_at = self._first_at or at, 0
        if end - pos > MAX_HEAD or not self.begin(data[pos:end], first_at, at, ordinary=not self._in_step, alone=self._alone):
            return self._reject(data, pos, at)
        self._in_step = True
        self._alone = self._small_gap = self._untouched = False
        return end

    def _hold(self, data: bytes, pos: int, at: int) -> int:
        """Keep the beginning of a head until the rest comes."""
        if not self._plausible(data, pos):
            return self._reject(data, pos, at)
        self._first_at = at
        self._buffer += data[pos:]
        self._bound_buffer()
        return len(data)

    def _resume(self, data: bytes, at: int, boundary: bool) -> bytes:
        """Give what is to be read now: the buffered head once it is whole, nothing before; `data` alone when it begins anew."""
        kept = self._buffer
        if boundary and self.begins(data) and (not self._in_step or self.starts(data)):
            self._drop_buffer(at)
            self._alone = True
            return data
        if boundary and not self._in_step and not self.may_go_on(kept):
            self._reject(bytes(kept) + data, 0, at)
            return b""
        seen = len(kept)
        kept += data
        if end_of_head(kept, max(seen - 2, 0)) >= 0:
            whole, first_at = bytes(kept), self._first_at
            self._forget()
            self._first_at = first_at
            return whole
        if not self._line_seen and not self._plausible(kept, 0, seen):
            self._reject(bytes(kept), 0, at)
        self._bound_buffer()
        return b""

    def _plausible(self, data: bytes | bytearray, pos: int, searched: int = 0) -> bool:
        end = data.find(b"\n", max(pos, searched)) + 1
        if not end:
            return self.may_begin(data[pos : pos + 64])
        self._line_seen = self.starts(bytes(data[pos:end]), ordinary=not self._in_step)
        return self._line_seen

    def _bound_buffer(self) -> None:
        if len(self._buffer) > MAX_HEAD:
            self._small_gap = False
            self._go_on_behind(len(self._buffer), was_open=False)

    def _drop_buffer(self, at: int) -> None:
        """Give up the half-read head: in step it was one, and is lost; out of step it was none."""
        if self._in_step:
            self._go_on_behind(len(self._buffer), was_open=False)
        else:
            self._reject(bytes(self._buffer), 0, at)

    def _reject(self, data: bytes, pos: int, at: int) -> int:
        """Let pass what cannot be a head, and go out of step."""
        if self._untouched:
            self.unrecognized()
        self._forget()
        self._in_step = self._untouched = False
        self._pass_by(data[pos:], at)
        return len(data)

    def _pass_by(self, data: bytes, at: int) -> None:
        if self.body.state == ADRIFT:
            self.body.drift(data, at)
            if not self.body.state:
                self._in_step = not self.body.lossy
                self.ended()
        if self._small_gap:
            self._small_gap = False
            self.heads_lost()
        self.passed_by()

    def _go_on_behind(self, behind: int, *, was_open: bool) -> None:
        """Find the step again after bytes unseen, of which `behind` lie behind the end of the open message."""
        self._forget()
        self._untouched = False
        if was_open and not self.body.state:
            self.ended()
        self._in_step = self.body.state > ADRIFT or (not self.body.state and not behind)
        if behind and not self._small_gap:
            self.heads_lost()

    def _forget(self) -> None:
        self._buffer.clear()
        self._line_seen = False
        self._first_at = 0

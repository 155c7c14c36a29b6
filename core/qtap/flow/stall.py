"""A conversation that waits for bytes of a body which are being read from a file; what comes after them waits too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from qtap.capture.files import Answer, Files, Piece
from qtap.flow.conversation import Conversation

_PATIENCE = 2_000_000_000
"""Nanoseconds to wait for a file system, and for a processor on a busy host."""
_HELD_LIMIT = 1 << 18
"""Bytes of records that wait behind a piece."""


class _Step(NamedTuple):
    answer: Answer | None
    act: Callable[[], None]
    size: int


class Stall:
    """The records of one conversation from the first piece of a file on, in order."""

    def __init__(self, conversation: Conversation, files: Files, body_limit: int) -> None:
        self.conversation = conversation
        self._files = files
        self._limit = body_limit
        self._steps: deque[_Step] = deque()
        self._coming = conversation.observer.held
        """Bytes that the open body holds, or will."""
        self._held = 0
        self._deadline = 0

    def piece(self, direction: int, position: int, piece: Piece) -> None:
        """Wait for a piece of a file, as far as the body has room for it."""
        # Of HTTP/2 nothing may be left out: frames of all streams are in there.
        room = self._limit - self._coming if self.conversation.connection.protocol == "http1" else piece.size
        want = max(min(piece.size, room), 0)
        answer = self._files.ask(piece, want) if want else None
        self._coming += want
        self._deadline = self._deadline or time.monotonic_ns() + _PATIENCE

        def act() -> None:
            data = self._files.take(answer) if answer else b""
            if data:
                self.conversation.data(direction, position, data, piece.at, boundary=False)
            if len(data) < piece.size:
                # What the body has no room for is left out by design; what could not be read is lost.
                rest, by_design = piece.size - len(data), len(data) == want
                if by_design:
                    self.conversation.observer.keep_no_more()
                self.conversation.unseen(direction, rest, piece.at, by_design=by_design, ends_chunked=False)

        self._steps.append(_Step(answer, act, 0))

    def behind(self, act: Callable[[], None], size: int, *, sent: bool) -> None:
        """Do `act`, for which `size` bytes are held, when what comes before is done; bytes `sent` begin another body."""
        if sent and size:
            self._coming = 0
        self._steps.append(_Step(None, act, size))
        self._held += size

    def go_on(self) -> bool:
        """Do what need not wait any longer; give whether all is done."""
        in_time = time.monotonic_ns() < self._deadline and self._held <= _HELD_LIMIT
        while self._steps:
            step = self._steps[0]
            if step.answer is not None and not self._files.is_done(step.answer) and in_time:
                return False
            self._steps.popleft()
            self._held -= step.size
            step.act()
        self._deadline = 0
        return True

    def finish(self) -> None:
        """Do everything now: what cannot be read at once is missing."""
        while self._steps:
            step = self._steps.popleft()
            if step.answer is not None:
                self._files.is_done(step.answer)
            step.act()

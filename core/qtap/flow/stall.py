"""A conversation that waits for bytes of a body which are being read from a file; what comes after them waits too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from qtap.capture.files import Answer, Files, Piece
from qtap.capture.records import OUT
from qtap.flow.conversation import Conversation

_PATIENCE = 2_000_000_000
"""Nanoseconds to wait for each piece: for a file system, and for a processor on a busy host."""
_STOPPING = 0.5
"""Seconds that files are waited for when capture ends."""
_STALLS_LIMIT = 256
"""Conversations that may wait at once; of others, what sendfile sent is lost."""
_ASKED_AHEAD = 16
"""Records that are looked at when the first one waits."""
_HELD_LIMIT = 1 << 18
"""Bytes of records that wait behind a piece."""


class _Step(NamedTuple):
    answer: Answer | None
    act: Callable[[], None]
    size: int
    until: int = 0
    """When the answer is waited for no longer (monotonic, ns)."""


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

    def piece(self, direction: int, position: int, piece: Piece) -> None:
        """Wait for a piece of a file, as far as the body has room for it."""
        # Of HTTP/2 nothing may be left out: frames of all streams are in there.
        room = self._limit - self._coming if self.conversation.connection.protocol == "http1" else piece.size
        want = max(min(piece.size, room), 0)
        answer = self._files.ask(piece, want) if want else None
        self._coming += want

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

        self._steps.append(_Step(answer, act, 0, time.monotonic_ns() + _PATIENCE))

    def behind(self, act: Callable[[], None], size: int, *, sent: bool) -> None:
        """Do `act`, for which `size` bytes are held, when what comes before is done; bytes `sent` begin another body."""
        if sent and size:
            self._coming = 0
        self._steps.append(_Step(None, act, size))
        self._held += size

    def go_on(self) -> bool:
        """Do what need not wait any longer; give whether all is done."""
        now = time.monotonic_ns()
        while self._steps:
            step = self._steps[0]
            may_wait = now < step.until and self._held <= _HELD_LIMIT
            if step.answer is not None and not self._files.is_done(step.answer) and may_wait:
                # Where nothing can be read at once, each has to be asked for: one a turn would be too few.
                for later in islice(self._steps, 1, _ASKED_AHEAD):
                    if later.answer is not None:
                        self._files.is_done(later.answer)
                return False
            self._steps.popleft()
            self._held -= step.size
            step.act()
        return True

    def finish(self) -> None:
        """Do everything now: what cannot be read at once is missing."""
        while self._steps:
            step = self._steps.popleft()
            if step.answer is not None:
                self._files.is_done(step.answer)
            step.act()


class Stalls:
    """The conversations that wait for bytes of a file."""

    def __init__(self, body_limit: int) -> None:
        self._files = Files()
        self._limit = body_limit
        self._stalls: dict[Conversation, Stall] = {}

    def __len__(self) -> int:
        return len(self._stalls)

    def __contains__(self, conversation: Conversation) -> bool:
        return conversation in self._stalls

    def hold_up(self, conversation: Conversation, direction: int) -> bool:
        """Tell whether a record waits: what is sent does; a server's requests need not, for which their other ends look."""
        return conversation in self._stalls and (direction == OUT or not conversation.connection.server)

    def piece(self, conversation: Conversation, direction: int, position: int, piece: Piece) -> bool:
        """Wait for a piece of a file; gives False when too many conversations wait already."""
        stall = self._stalls.get(conversation)
        if stall is None:
            if len(self._stalls) >= _STALLS_LIMIT:
                return False
            stall = self._stalls[conversation] = Stall(conversation, self._files, self._limit)
        stall.piece(direction, position, piece)
        if stall.go_on():
            del self._stalls[conversation]
        return True

    def behind(self, conversation: Conversation, act: Callable[[], None], size: int, *, sent: bool) -> None:
        """Do `act` when what `conversation` waits for is there; see Stall."""
        self._stalls[conversation].behind(act, size, sent=sent)

    def tick(self) -> None:
        """Let those go on whose files were read."""
        for conversation, stall in list(self._stalls.items()):
            if stall.go_on():
                del self._stalls[conversation]
        self._files.tick()

    def finish(self, conversation: Conversation) -> None:
        """Wait no longer for this conversation's files."""
        stall = self._stalls.pop(conversation, None)
        if stall is not None:
            stall.finish()

    def stop(self) -> None:
        """Wait a little for all: capture ends."""
        end = time.monotonic() + _STOPPING
        while self._stalls and time.monotonic() < end:
            self.tick()
            time.sleep(0.002)

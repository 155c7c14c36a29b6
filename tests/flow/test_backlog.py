"""A reader that is behind: what waits for time to pass waits for what is in the ring, too."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace

from qtap.capture import records
from qtap.flow.live import LiveSource
from qtap.flow.options import LiveOptions

SECOND = 1_000_000_000


class Ring:
    """Holds records, of which a call of `drain` takes one."""

    def __init__(self, *times: int) -> None:
        self.waiting = [records.TIME.pack(at) for at in times]
        self.given, self.taken = len(times), 0

    def oldest(self) -> tuple[bytes, int] | None:
        return (self.waiting[0], 0) if self.waiting else None

    def drain(self, take: Callable[[bytes, int], None], _most: int) -> int:
        take(self.waiting.pop(0), 0)
        self.taken += 1
        return 1


def test_time_passes_only_up_to_what_is_taken() -> None:
    ticks: list[int] = []
    source = LiveSource(LiveOptions(), lambda *_: None, lambda _: None)
    vars(source).update(
        _engine=SimpleNamespace(ring=Ring(5 * SECOND, 7 * SECOND, 8 * SECOND)),
        _table=SimpleNamespace(tick=ticks.append, offset=100 * SECOND),
        _next_count=math.inf,
        _taking=lambda *_: None,
    )
    before = time.time_ns()
    for _ in range(3):
        source._round()  # noqa: SLF001 - one turn of the reader's thread
    assert ticks[:2] == [107 * SECOND, 108 * SECOND]
    assert before <= ticks[2] <= time.time_ns()

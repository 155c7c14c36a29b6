"""Records that found no room in the ring: they are taken behind what was in the ring before them, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

from qtap.capture.records import COUNTERS
from qtap.flow.live import LiveSource
from qtap.flow.options import LiveOptions
from tests.flow.kernel import Stream

MORE = ("forgotten", "evicted", "processes", "skipped")


class FullRing:
    """A ring from which records are never taken as fast as they come."""

    def __init__(self) -> None:
        self.taken, self.given = 0, 300

    def oldest(self) -> None:
        """The next is always being written."""

    def drain(self, take: Callable[..., None], most: int) -> int:
        del take
        self.taken, self.given = self.taken + 100, self.given + 100
        return most


class Kernel:
    """Has one record more to tell late at each look."""

    def __init__(self) -> None:
        self.ring = FullRing()
        self.told: list[bytes] = []

    def counters(self, _unfreed: int) -> dict[str, int]:
        return dict.fromkeys((*COUNTERS, *MORE), 0) | {"late": len(self.told) + 1}

    def late(self) -> list[bytes]:
        self.told.append(Stream(10, 4000, 80).closes(1, 2))
        return self.told[-1:]


def test_what_comes_late_is_taken_behind_what_was_before_it_though_the_ring_is_never_empty() -> None:
    source = LiveSource(LiveOptions(), lambda *_: None, lambda _: None)
    kernel, taken = Kernel(), list[tuple[int, bytes]]()
    vars(source).update(
        _engine=kernel,
        _table=SimpleNamespace(tick=lambda _until: None, counters=dict, offset=0, unfreed=0),
        _prober=SimpleNamespace(let_go=lambda: None, private=SimpleNamespace(drop_unneeded=list)),
        _counted=dict.fromkeys((*COUNTERS, *MORE), 0),
        _counted_at=time.time_ns(),
        _next_count=0.0,
        _taking=lambda record, _: taken.append((kernel.ring.taken, record)),
    )
    for _ in range(12):
        vars(source)["_next_count"] = 0.0  # a second passes
        source._round()  # noqa: SLF001 - one turn of the reader's thread
    assert [at for at, _ in taken] == [400, 700, 1000]
    assert [record for _, record in taken] == kernel.told[:3]

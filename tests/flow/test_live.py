"""The end of live capture, with a ring that takes its time."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest

from qtap.flow.live import LiveSource
from qtap.flow.options import LiveOptions
from tests.flow.kernel import Told


class _Ring:
    size = 1 << 24
    taken = given = 0

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def drain(self, _take: object, most: int = 0) -> int:
        if not most:  # the last look
            self.goes_on.wait(30)
        return 0

    def wait(self, _seconds: float) -> None:
        time.sleep(0.001)


class _Kernel:
    """In place of an Engine and a Prober."""

    def __init__(self) -> None:
        self.ring = _Ring()
        self.complete = False

    def late(self) -> list[bytes]:
        return []

    def stop(self) -> None:
        pass

    close = stop


class _Source(LiveSource):
    def __init__(self) -> None:
        super().__init__(LiveOptions(), lambda _count, _libraries: None, pytest.fail)
        self.kernel: Any = _Kernel()
        self.attached = threading.Event()

    def _load(self, _code: object) -> None:
        self._engine = self._prober = self.kernel

    def _attach(self) -> None:
        self._next_count = math.inf
        self._is_ready = True
        self.attached.set()

    def _count_losses(self) -> None:
        pass


@pytest.mark.parametrize("takes_long", [False, True])
def test_an_end_before_all_is_read_is_told(
    takes_long: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("qtap.flow.live.essential", lambda: None)
    monkeypatch.setattr("qtap.flow.live._LONGEST_END", 0.2 if takes_long else 30.0)
    source = _Source()
    source.start(Told())
    assert source.attached.wait(30)
    if not takes_long:
        source.kernel.ring.goes_on.set()
    time.sleep(0.05)  # until it reads
    source.stop()
    source.kernel.ring.goes_on.set()
    assert ("not all that was captured was read" in caplog.text) == takes_long

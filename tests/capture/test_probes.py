"""Probes of single processes: for as long as they are needed, and not for too many."""

from __future__ import annotations

from typing import cast

import pytest

from qtap.capture import probes
from qtap.capture.engine import Engine
from qtap.capture.probes import Prober


class Kernel:
    """Plays the kernel's side: which processes still have TLS handles without a socket."""

    def __init__(self) -> None:
        self.seeking: set[int] = set()

    def has_sought(self, pid: int) -> bool:
        return pid in self.seeking


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def prober(kernel: Kernel) -> Prober:
    return Prober(cast("Engine", kernel))


def test_probes_go_when_no_handle_needs_them(kernel: Kernel, prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    prober.seek(10)
    prober.seek(11)
    assert prober.drop_unneeded() == []  # they are new
    monkeypatch.setattr(probes, "_NEEDED_FOR", 0.0)
    prober.seek(10)
    prober.seek(11)
    kernel.seeking = {10}
    assert prober.drop_unneeded() == [11]
    assert prober.drop_unneeded() == []
    kernel.seeking = set()
    assert prober.drop_unneeded() == [10]


def test_too_many_processes_lose_the_oldest(prober: Prober, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_SOUGHT_LIMIT", 2)
    monkeypatch.setattr(probes, "_NEEDED_FOR", 0.0)
    for pid in (1, 2, 3):
        prober.seek(pid)
    kernel.seeking = {3}
    assert prober.drop_unneeded() == [2]

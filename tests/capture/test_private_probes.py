"""Probes of single processes: for as long as they are needed, and not for too many."""

from __future__ import annotations

from typing import cast

import pytest

from qtap.capture import private_probes
from qtap.capture.engine import Engine
from qtap.capture.private_probes import PrivateProbes


class Kernel:
    """Knows which processes still have TLS handles without a socket."""

    def __init__(self) -> None:
        self.seeking: set[int] = set()

    def has_sought(self, pid: int) -> bool:
        return pid in self.seeking


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def private(kernel: Kernel) -> PrivateProbes:
    return PrivateProbes(cast("Engine", kernel), lambda _: None)


def test_probes_go_when_no_handle_needs_them(kernel: Kernel, private: PrivateProbes, monkeypatch: pytest.MonkeyPatch) -> None:
    private.seek(10)
    private.seek(11)
    assert private.drop_unneeded() == []  # they are new
    monkeypatch.setattr(private_probes, "_NEEDED_FOR", 0.0)
    private.seek(10)
    private.seek(11)
    kernel.seeking = {10}
    assert private.drop_unneeded() == [11]
    assert private.drop_unneeded() == []
    kernel.seeking = set()
    assert private.drop_unneeded() == [10]


def test_too_many_processes_lose_the_oldest(private: PrivateProbes, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_probes, "_LIMIT", 2)
    monkeypatch.setattr(private_probes, "_NEEDED_FOR", 0.0)
    for pid in (1, 2, 3):
        private.seek(pid)
    kernel.seeking = {3}
    assert private.drop_unneeded() == [2]

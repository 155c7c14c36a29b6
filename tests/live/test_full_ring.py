"""What the kernel side decides alone, because the ring has no room to ask."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from qtap.capture.compiler import compiled
from qtap.capture.engine import Engine, Scope

pytestmark = pytest.mark.live


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an engine that chooses processes, and whose ring nobody reads."""
    engine = Engine(compiled(), ring_size=4096, scope=Scope(selected=True))
    engine.watch_processes()
    yield engine
    engine.close()


def test_a_program_about_which_nobody_could_be_asked_is_not_captured(engine: Engine) -> None:
    programs = [subprocess.Popen(["sleep", "60"]) for _ in range(8)]
    try:
        assert engine.counters()["ring_full"]
        assert not engine.is_allowed(programs[-1].pid)
    finally:
        for program in programs:
            program.kill()
            program.wait()

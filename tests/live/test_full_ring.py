"""What the ring has no room for: what must not be missed is told late, and who was not decided about is refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qtap.capture import records
from qtap.capture.compiler import compiled
from qtap.capture.engine import Engine
from qtap.capture.verdict import Scope, Verdict
from tests.live.program import PATIENCE, Capture, is_server, until
from tests.live.servers import recorder
from tests.live.test_config import SPEAK

pytestmark = pytest.mark.live


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an engine that chooses processes, and whose ring nobody reads."""
    engine = Engine(compiled(), ring_size=4096, scope=Scope(selected=True))
    engine.watch_processes()
    yield engine
    engine.close()


def late(engine: Engine, kind: int) -> list[tuple[Any, ...]]:
    """Give the fields of the records of this kind that come late, up to the ports, and their data."""
    found = [(records.HEADER.unpack_from(record), record) for record in engine.late()]
    return [(*fields[:12], record[records.SIZE :]) for fields, record in found if fields[14] == kind]


def test_a_program_about_which_nobody_could_be_asked_is_not_captured(engine: Engine) -> None:
    programs = [subprocess.Popen(["sleep", "60"]) for _ in range(8)]
    try:
        asked: set[int] = set()

        def is_kept() -> bool:
            asked.update(fields[5] for fields in late(engine, records.EXEC))
            return programs[-1].pid in asked

        until(is_kept, "nobody will ever ask")
        assert engine.counters()["ring_full"]
        assert not engine.is_allowed(programs[-1].pid)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def test_the_ends_of_connections_are_told_when_the_ring_has_room_again(engine: Engine) -> None:
    engine.watch_sockets()
    pipe = subprocess.PIPE
    with recorder() as server, subprocess.Popen(["sh"], stdin=pipe, stdout=pipe, text=True) as shell:
        assert shell.stdin
        assert shell.stdout
        print("echo", file=shell.stdin, flush=True)
        shell.stdout.readline()  # its exec is over, about which nobody could be asked
        engine.decide_running(shell.pid, Verdict(), again=True)
        shell.communicate(f"for i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null {server.url}/?size=3; done", PATIENCE)
        assert engine.counters()["late"]
        closed = [fields for fields in late(engine, records.CLOSE) if fields[11] == server.server_port]
    assert 0 < len(closed) <= 8
    assert all(min(records.TOTALS.unpack(fields[-1])) > 50 for fields in closed)


@contextmanager
def stopped(capture: Capture) -> Iterator[None]:
    """Let the ring fill up: nobody reads it meanwhile."""
    os.kill(capture.pid, signal.SIGSTOP)
    try:
        subprocess.run(["bash", "-c", "for i in {1..60}; do /bin/true; done"], check=True)
        yield
    finally:
        os.kill(capture.pid, signal.SIGCONT)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_program_that_began_while_the_ring_was_full_is_decided_about_later(tmp_path: Path, *, is_wanted: bool) -> None:
    named = shutil.copy("/bin/bash", tmp_path / "the-named-one")
    config = tmp_path / "config.yaml"
    config.write_text("version: 2\ntap: {filters: {custom: [{exe: the-named-one, strategy: contains}]}}\n")
    choice: list[str | Path] = ["--exe", "the-named-one"] if is_wanted else ["--config", config]
    with recorder() as server, Capture("--ring-size", "65536", *choice, only_us=not is_wanted) as capture:
        with stopped(capture):
            shell = subprocess.Popen([named], stdin=subprocess.PIPE, text=True)
        until(lambda: capture.of("loss"), "the ring was not full")
        if is_wanted:
            until(lambda: shell.pid in {event["pid"] for event in capture.of("process")}, "nobody looked at the program")
        # The ring is so small that a busy host may fill it again.
        often = "for i in {1..20}; do speak named; sleep 0.1; done"
        shell.communicate(f"{SPEAK.replace('PORT', str(server.server_port))}\n{often}", 2 * PATIENCE)
        assert len(server.seen) == 20
        capture.wait_for(1, lambda seen: is_server(seen) != is_wanted)
    ours = [seen for seen in capture.transactions if not is_server(seen)]
    assert bool(ours) == is_wanted

"""Leases: a writer waits, is told of, and goes on."""

from __future__ import annotations

import os
import queue
import subprocess
from pathlib import Path

import pytest

from qtap.capture.leases import Leases

PATIENCE = 30.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"before")
    return path


def test_a_writer_waits_until_the_file_is_closed(file: Path) -> None:
    wanted: queue.Queue[int] = queue.Queue()
    leases = Leases(wanted.put)
    held = os.open(file, os.O_RDONLY)
    leases.take(held)
    with subprocess.Popen(["cp", "/bin/true", file]) as writer:
        assert wanted.get(timeout=PATIENCE) == held
        assert writer.poll() is None
        assert file.read_bytes() == b"before"
        leases.close(held)
        assert writer.wait(PATIENCE) == 0
    assert file.read_bytes() == Path("/bin/true").read_bytes()
    leases.stop()


def test_each_of_several_files_is_told_of(file: Path) -> None:
    wanted: queue.Queue[int] = queue.Queue()

    def give_up(file: int) -> None:
        leases.close(file)
        wanted.put(file)

    leases = Leases(give_up)
    held = set()
    for number in range(5):
        path = file.with_name(f"program{number}")
        path.write_bytes(b"before")
        held.add(one := os.open(path, os.O_RDONLY))
        leases.take(one)
    subprocess.run(
        ["sh", "-c", 'for i in 0 1 2 3 4; do echo after > "$1$i" & done; wait', "-", file], check=True, timeout=PATIENCE
    )
    assert {wanted.get(timeout=PATIENCE) for _ in held} == held
    assert file.with_name("program4").read_text() == "after\n"
    leases.stop()


def test_who_runs_reads_or_removes_the_file_does_not_wait(file: Path) -> None:
    leases = Leases(lambda _: pytest.fail("nobody wrote"))
    file.unlink()
    subprocess.run(["cp", "/bin/true", file], check=True)
    leases.take(held := os.open(file, os.O_RDONLY))
    assert subprocess.run([file], check=False, timeout=PATIENCE).returncode == 0
    assert file.read_bytes().startswith(b"\x7fELF")
    file.unlink()
    leases.close(held)
    leases.stop()


def test_a_file_that_is_being_written_to_is_refused(file: Path) -> None:
    leases = Leases(lambda _: None)
    held = os.open(file, os.O_RDONLY)
    with file.open("ab"), pytest.raises(BlockingIOError):
        leases.take(held)
    leases.close(held)
    leases.stop()

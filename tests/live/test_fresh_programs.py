"""Programs that nobody has seen before: caught from their first request, or what is missing is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from qtap.capture.fanotify import CLOSE_WRITE, Group
from tests.live.asking import asks
from tests.live.golang import GoClient, build
from tests.live.program import PATIENCE, SLOWNESS, Capture, Fields, client_port, is_server
from tests.live.servers import Recorder, recorder

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("go"), reason="needs Go's compiler")]

COPIES = 8
FEW = 200
LOOKED_INTO = 1.5 * SLOWNESS
"""Seconds, far more than it takes, until a file has its probes."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("go", tmp_path_factory.mktemp("fresh"), "plain")


def fresh(original: Path, folder: Path) -> Path:
    """Give a program of which neither the file nor the content was there before."""
    folder.mkdir()
    program = folder / "program"
    program.write_bytes(original.read_bytes() + os.urandom(64))
    program.chmod(0o755)
    return program


def ask(program: Path, certificate: Path, server: Recorder, name: str) -> None:
    GoClient(program, certificate, server.url, asks(name, 1), program.parent, kind="now", connections=1).finish()


def written_in_calm(original: Path, folder: Path) -> list[Path]:
    """Give programs that were looked into when they were written: nobody wrote so much meanwhile that not each is told of."""
    with closing(Group()) as others:
        others.watch("/", CLOSE_WRITE, whole=True)
        for attempt in range(30):
            programs = [fresh(original, folder / f"{attempt}-{number}") for number in range(3)]
            time.sleep(LOOKED_INTO)
            written = [*others.files()]
            for file in written:
                os.close(file)
            if len(written) < FEW:
                return programs
    raise AssertionError("this host writes hundreds of files a second all the time")


def run_idly(program: Path) -> None:
    """Have it looked into also while others write so much, as an installation does, that not each file is told of."""
    subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PATIENCE)


def ours(capture: Capture) -> list[Fields]:
    return [transaction for transaction in capture.transactions if not is_server(transaction)]


def test_a_program_that_was_written_a_moment_ago_is_captured_from_its_first_request(
    certificate: Path, tmp_path: Path, original: Path
) -> None:
    with recorder(certificate) as server, Capture() as capture:
        programs = written_in_calm(original, tmp_path)
        for program in programs:
            ask(program, certificate, server, program.parent.name)
    assert [transaction.get("incomplete") for transaction in ours(capture)] == [None] * 3
    assert {client_port(transaction) for transaction in ours(capture)} == {seen.port for seen in server.seen}


def test_of_a_program_that_is_executed_as_soon_as_it_is_written_each_request_is_captured_or_its_connection_says_so(
    certificate: Path, tmp_path: Path, original: Path
) -> None:
    with recorder(certificate) as server, Capture() as capture:
        for number in range(COPIES):
            ask(fresh(original, tmp_path / str(number)), certificate, server, str(number))
    whole = {client_port(seen) for seen in ours(capture) if "incomplete" not in seen}
    last = [seen for seen in capture.of("connection") if seen["finalized"] and seen["direction"] != "ingress"]
    reasons = {seen["source"]["address"]["port"]: set(seen.get("incomplete", [])) for seen in last}
    assert len(server.seen) == COPIES
    for port in {seen.port for seen in server.seen} - whole:
        assert reasons[port] & {"plaintext_not_seen", "attached_mid_connection"}, reasons


def test_a_program_that_is_written_over_runs_as_it_is_and_is_captured(
    certificate: Path, tmp_path: Path, original: Path
) -> None:
    other = build("go", tmp_path, "unoptimized")
    with recorder(certificate) as server, Capture() as capture:
        program = fresh(original, tmp_path / "it")
        for number, content in enumerate((original, other, original)):
            with program.open("r+b") as file:  # the same inode, whose probes were set for what it held before
                file.truncate()
                file.write(content.read_bytes())
            run_idly(program)
            time.sleep(LOOKED_INTO)
            ask(program, certificate, server, str(number))
    assert [transaction.get("incomplete") for transaction in ours(capture)] == [None] * 3
    assert len(server.seen) == 3


def test_a_program_that_is_written_over_and_run_at_once_runs_as_it_is(
    certificate: Path, tmp_path: Path, original: Path
) -> None:
    other = build("go", tmp_path, "unoptimized")
    with recorder(certificate) as server, Capture():
        program = fresh(original, tmp_path / "it")
        for number in range(COPIES):
            ask(program, certificate, server, str(number))
            with program.open("r+b") as file:
                file.truncate()
                file.write((original, other)[number % 2].read_bytes())
    assert len(server.seen) == COPIES


def test_a_file_that_takes_the_place_of_one_without_tls_is_looked_into(
    certificate: Path, tmp_path: Path, original: Path
) -> None:
    """As when the number of an inode is used again: the same number, size and missing build id."""
    size = original.stat().st_size
    program = tmp_path / "program"
    with recorder(certificate) as server, Capture() as capture:
        program.write_bytes(Path(shutil.which("true") or "/bin/true").read_bytes().ljust(size, b"\0"))
        program.chmod(0o755)
        subprocess.run([program], check=True)
        time.sleep(LOOKED_INTO)
        program.write_bytes(original.read_bytes())
        run_idly(program)
        time.sleep(LOOKED_INTO)
        ask(program, certificate, server, "place")
    assert [transaction.get("incomplete") for transaction in ours(capture)] == [None]

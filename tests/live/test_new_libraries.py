"""A process that maps a libssl which nobody has seen before."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.libraries import copy_library
from tests.live.program import Capture, is_server
from tests.live.servers import Recorder, recorder

pytestmark = pytest.mark.live

COPIES = 20


def ask_twice(server: Recorder, certificate: Path, library: Path, name: str) -> None:
    """Make two requests of one process, a third of a second apart."""
    urls = [f"{server.url}/{turn}-{name}" for turn in ("first", "second")]
    quiet: list[str | Path] = ["--silent", "--cacert", certificate, "--output", "/dev/null", "--output", "/dev/null"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    subprocess.run(["curl", *quiet, "--rate", "3/s", *urls], env=environment, check=True)


def clients_of(capture: Capture) -> list[str]:
    """Give the paths that were captured whole; of a first request there may be only the answer."""
    ours = [transaction for transaction in capture.transactions if not is_server(transaction)]
    halves = [transaction for transaction in ours if "incomplete" in transaction]
    assert all(set(half["incomplete"]) <= {"attached_mid_connection", "request_lost"} for half in halves)
    return sorted(transaction["request"]["path"] for transaction in ours if transaction not in halves)


def test_a_new_libssl_is_captured_from_its_second_request_on_at_the_latest(certificate: Path, tmp_path: Path) -> None:
    libraries = [copy_library(tmp_path / str(number)) for number in range(COPIES)]
    with recorder(certificate) as server, Capture() as capture, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask_twice(server, certificate, libraries[number], str(number)), range(COPIES)))
    found = clients_of(capture)
    assert len(set(found)) == len(found)
    assert set(found) >= {f"/second-{number}" for number in range(COPIES)}
    # The first is a race with a program that needs 10 ms from its mapping to its request.
    caught = sum(path.startswith("/first") for path in found)
    assert caught > 0


def test_a_libssl_that_was_replaced_is_captured_again(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server, Capture() as capture:
        for turn in ("before", "after"):
            ask_twice(server, certificate, copy_library(tmp_path / "library"), turn)
    assert set(clients_of(capture)) >= {"/second-before", "/second-after"}

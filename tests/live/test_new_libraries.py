"""A process that maps a libssl which nobody has seen before: what is captured, and what is said when it was too quick."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.libraries import copy_library
from tests.live.program import PATIENCE, Capture, Fields, client_port, is_server, until
from tests.live.servers import Recorder, recorder

pytestmark = pytest.mark.live

COPIES = 20
ASKER = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
print(flush=True)
for url in sys.stdin:
    urllib.request.urlopen(url.strip(), context=context).read()
    print(flush=True)
"""


class Asker:
    """A process that has mapped the libssl of `folder`, and asks for what it is told."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ASKER, certificate],
            env=os.environ | {"LD_LIBRARY_PATH": str(folder)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._wait()

    def ask(self, url: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url}\n")
        self._process.stdin.flush()
        self._wait()

    def end(self) -> None:
        self._process.communicate(timeout=PATIENCE)

    def _wait(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()


@contextmanager
def asking(folder: Path, certificate: Path) -> Iterator[Asker]:
    asker = Asker(folder, certificate)
    try:
        yield asker
    finally:
        asker.end()


def ours(capture: Capture) -> list[Fields]:
    return [transaction for transaction in capture.transactions if not is_server(transaction)]


def paths(transactions: list[Fields]) -> list[str]:
    return [transaction["request"]["path"] for transaction in transactions if "incomplete" not in transaction]


def test_a_request_is_captured_that_is_made_once_a_new_libssl_has_its_probes(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server, Capture() as capture:
        for turn in ("new", "replaced"):  # the same name, another file, as after an upgrade
            with asking(copy_library(tmp_path / "library"), certificate) as asker:
                ask_until_seen(asker, capture, server, f"/before-{turn}")
                asker.ask(f"{server.url}/{turn}")
    assert [path for path in paths(ours(capture)) if not path.startswith("/before")] == ["/new", "/replaced"]


def ask_until_seen(asker: Asker, capture: Capture, server: Recorder, path: str) -> None:
    """Wait for this capture's probes: breakpoints may be another's, which runs on the same host."""

    def seen() -> bool:
        asker.ask(server.url + path)
        return path in paths(ours(capture))

    until(seen, f"nothing of {path} is seen")


def ask_at_once(server: Recorder, certificate: Path, library: Path) -> None:
    """Make a request some 10 ms after the library is mapped: on a busy host its probes come later."""
    quiet: list[str | Path] = ["--silent", "--cacert", certificate, "--output", "/dev/null"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    subprocess.run(["curl", *quiet, f"{server.url}/{library.name}"], env=environment, check=True)


def test_a_first_request_is_captured_or_what_is_missing_is_said(certificate: Path, tmp_path: Path) -> None:
    libraries = [copy_library(tmp_path / str(number)) for number in range(COPIES)]
    with recorder(certificate) as server, Capture() as capture, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda library: ask_at_once(server, certificate, library), libraries))
    true = {seen.port: seen.target for seen in server.seen}
    found = {client_port(transaction): transaction for transaction in ours(capture)}
    assert len(true) == COPIES
    assert len(found) == len(ours(capture))
    assert all(paths([found[port]]) in ([], [true[port]]) for port in found)
    assert all(set(seen.get("incomplete", ())) <= {"attached_mid_connection", "request_lost"} for seen in found.values())
    assert found.keys() | unseen(capture) == true.keys()


def unseen(capture: Capture) -> set[int]:
    """Give the ports of the clients' connections of which is said that nothing shows what was inside."""
    ended = [seen for seen in capture.of("connection") if seen["finalized"] and seen["direction"] != "ingress"]
    return {seen["source"]["address"]["port"] for seen in ended if "plaintext_not_seen" in seen.get("incomplete", ())}

"""A program with OpenSSL in its own file, as a fresh build leaves it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import describe, expect
from tests.live.program import Capture, is_server
from tests.live.servers import recorder


def _has_static_library() -> bool:
    done = subprocess.run(["gcc", "-print-file-name=libssl.a"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).is_absolute()


pytestmark = [pytest.mark.live, pytest.mark.skipif(not _has_static_library(), reason="no static OpenSSL to build with")]

SOURCE = Path(__file__).with_name("static.c")
LIBRARIES = ("-l:libssl.a", "-l:libcrypto.a", "-lpthread", "-ldl")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("static") / "client"
    subprocess.run(["gcc", "-O2", "-o", file, SOURCE, *LIBRARIES], check=True)
    return file


def test_a_static_program_is_captured_from_its_second_run_on_at_the_latest(certificate: Path, program: Path) -> None:
    with recorder(certificate) as server, Capture("--ring-size", "64MB") as capture:
        for count in (1, COUNT):
            subprocess.run([program, str(server.server_port), str(count)], check=True)
    ours = [
        transaction for transaction in capture.transactions if not is_server(transaction) and "incomplete" not in transaction
    ]
    record = {seen.id: expect(seen) for seen in server.seen[1:]}
    found = {seen.id: seen for seen in map(describe, ours[-COUNT:])}
    assert found == record
    assert len(ours) <= COUNT + 1

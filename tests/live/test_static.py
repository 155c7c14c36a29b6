"""A program with OpenSSL in its own file, as a fresh build leaves it and without symbols."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.asking import COUNT
from tests.live.comparing import describe, expect
from tests.live.program import PATIENCE, Capture, is_server
from tests.live.servers import recorder


def _has_static_library() -> bool:
    done = subprocess.run(["gcc", "-print-file-name=libssl.a"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).is_absolute()


pytestmark = [pytest.mark.live, pytest.mark.skipif(not _has_static_library(), reason="no static OpenSSL to build with")]

SOURCE = Path(__file__).with_name("static.c")
LIBRARIES = ("-l:libssl.a", "-l:libcrypto.a", "-lpthread", "-ldl")


@pytest.fixture(params=["symbols", "stripped"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "client"
    options = ["-s"] if request.param == "stripped" else []
    subprocess.run(["gcc", "-O2", *options, "-o", file, SOURCE, *LIBRARIES], check=True)
    return file


def test_every_request_of_a_static_program_is_captured(certificate: Path, program: Path) -> None:
    with recorder(certificate) as server:
        command: list[str | Path] = [program, str(server.server_port), str(COUNT)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "open\n"
            with Capture("--ring-size", "64MB") as capture:
                client.communicate("\n", PATIENCE)
        assert client.returncode == 0
    ours = [transaction for transaction in capture.transactions if not is_server(transaction)]
    assert [transaction for transaction in ours if "incomplete" in transaction] == []
    assert {seen.id: seen for seen in map(describe, ours)} == {seen.id: expect(seen) for seen in server.seen}
    assert len(ours) == len(server.seen) == COUNT

"""One address, many TLS handles: a program that takes a handle again, or that another program follows in the same process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.program import PATIENCE, Capture, body_of, client_port, is_server
from tests.live.servers import body_for, recorder

pytestmark = pytest.mark.live

SOURCE = Path(__file__).with_name("reused.c")
COUNT = 5


@pytest.mark.parametrize("how", ["clear", "bio", "exec"])
def test_no_connection_goes_on_where_another_with_the_same_handle_ended(certificate: Path, tmp_path: Path, how: str) -> None:
    program = tmp_path / "client"
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE, "-lssl", "-lcrypto"], check=True)
    with recorder(certificate) as server, Capture("--ring-size", "64MB") as capture:
        command: list[str | Path] = ["setarch", "-R", program, str(server.server_port), how, str(COUNT)]
        subprocess.run(command, check=True, timeout=PATIENCE)
        capture.wait_for(COUNT, lambda seen: not is_server(seen) and seen["request"]["path"] == "/half")
    ours = [seen for seen in capture.transactions if not is_server(seen)]
    whole = {seen["request"]["headers"]["X-Id"]: seen for seen in ours if "incomplete" not in seen}
    assert {*whole} == {f"reused-{number}" for number in range(COUNT)}
    for name, seen in whole.items():
        assert body_of(seen["response"]) == body_for(f"answer {name}", 500)
        assert seen["response"]["headers"]["X-Peer-Port"] == str(client_port(seen))
    halves = [seen for seen in ours if "incomplete" in seen]
    assert [body_of(seen["request"]) for seen in halves] == [b"the beginning"] * COUNT
    assert {client_port(seen) for seen in halves} == {client_port(seen) for seen in whole.values()}
    assert len({client_port(seen) for seen in halves}) == COUNT

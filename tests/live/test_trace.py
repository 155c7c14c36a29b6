"""`--bpf-trace`: what the kernel told, as lines of the log, of the program that was named and of no other."""

from __future__ import annotations

import subprocess

import pytest

from tests.live.program import Capture
from tests.live.servers import recorder

pytestmark = pytest.mark.live


def test_a_named_program_is_traced_from_its_exec_to_its_exit() -> None:
    with recorder() as server, Capture("--bpf-trace", "mod:socket,mod:process,mod:protocol,exe.endsWith:/curl") as capture:
        url = f"http://127.0.0.1:{server.server_port}/secret?size=1000"
        subprocess.run(["curl", "-s", "-H", "X-Id: secret", "-o", "/dev/null", url], check=True)
        capture.wait_for(2, lambda _: True)
    lines = [line for line in capture.log.splitlines() if " exe=" in line]
    assert lines
    assert all(line.partition(" exe=")[2].split()[0].endswith("/curl") for line in lines)
    assert "secret" not in "".join(lines)
    what = [" ".join([line.split()[4], *line.partition(" exe=")[2].split()[1:2]]) for line in lines]
    for expected in ("process exec", "socket data", "socket close", "protocol role", "protocol opened", "protocol finished"):
        assert expected in what, capture.log
    assert any("total=" in line and "copied=" in line and "from-start" in line for line in lines)


def test_without_a_program_nothing_is_traced_and_the_log_says_so() -> None:
    with Capture("--bpf-trace", "mod:socket") as capture:
        pass
    assert "--bpf-trace prints nothing" in capture.log

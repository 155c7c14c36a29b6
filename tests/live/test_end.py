"""How a capture ends: asked to, killed, or its reader gone. Nothing of it stays in the kernel, and what it recorded opens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.live.kernel import Held, breakpoints, held_by, program_names
from tests.live.libraries import copy_library
from tests.live.program import PROGRAM, SLOWNESS, Capture, Fields, body_of, client_port, is_server, until
from tests.live.servers import Recorder, Seen, recorder
from tests.live.wires import say, wire

pytestmark = pytest.mark.live

OURS = {"on_sys_exit", "on_tcp_state", "on_exec", "on_exit", "on_fork", "ssl_enter_4", "ssl_leave_read", "ssl_leave_write"}
HOLDER = "import ssl, sys; print(flush=True); sys.stdin.read()"
BODY = "y" * 2000


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Start a process that does nothing but hold a copy of libssl: its pid and the copy."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(copy_library(tmp_path / "library"))}
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        yield process.pid, tmp_path / "library" / "libssl.so.3"
        process.stdin.close()


@pytest.fixture
def load() -> Iterator[Recorder]:
    """Run a server in this process, and two clients that ask it all the time."""
    with recorder() as server:
        urls = " ".join([f"{server.url}/?size=500"] * 20)
        script = f"while curl -s -o /dev/null -d {BODY} {urls}; do sleep 0.1; done"
        clients = [subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL, start_new_session=True) for _ in "ab"]
        try:
            yield server
        finally:
            for client in clients:
                os.killpg(client.pid, signal.SIGKILL)
                client.wait()


def replay(file: Path) -> list[Fields]:
    done = subprocess.run([PROGRAM, "--replay", file, "--no-ui"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def gone(held: Held) -> bool:
    return not held.left


@pytest.mark.parametrize("name", ["killed.jsonl", "killed.jsonl.zst"])
def test_a_kill_leaves_nothing_in_the_kernel_and_a_capture_that_opens(
    holder: tuple[int, Path], load: Recorder, tmp_path: Path, name: str
) -> None:
    pid, library = holder
    alone = not any(breakpoints(pid, library))
    original = library.read_bytes()
    with Capture("--record", tmp_path / name, "--ring-size", "64MB") as capture:
        held = held_by(capture.pid)
        names = program_names()
        assert {names[ident] for ident in held.programs} >= OURS
        assert held.maps
        assert held.links
        assert all(breakpoints(pid, library))
        ready_at = time.monotonic()
        until(lambda: len(due_between(load, ready_at, time.monotonic())) > 30, "no load")
        due = due_between(load, ready_at, time.monotonic())
        capture.kill()
    until(lambda: gone(held), f"left in the kernel: {held.left}")
    assert library.read_bytes() == original
    check_recorded(replay(tmp_path / name), due)
    if not alone or OURS & set(program_names().values()):
        pytest.skip("whether breakpoints are left cannot be told while another capture runs on this host")
    assert not any(breakpoints(pid, library))


def due_between(load: Recorder, ready_at: float, killed_at: float) -> list[Seen]:
    """Give what a recording must hold: the last second may be lost, and what is more is for the machine."""
    return [seen for seen in load.seen if ready_at + 0.5 * SLOWNESS < seen.at < killed_at - 2.5 * SLOWNESS]


def check_recorded(events: list[Fields], due: list[Seen]) -> None:
    """See that all exchanges that are due can be read, and that all that can be read are whole."""
    found = [event["data"] for event in events if event["event"] == "http_transaction" and is_server(event["data"])]
    whole = [data for data in found if "incomplete" not in data]
    assert all(body_of(data["request"]) == BODY.encode() for data in whole)
    read = Counter(client_port(data) for data in whole)
    assert Counter(seen.port for seen in due) - read == Counter()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well_under_load_with_everything_written(load: Recorder, tmp_path: Path, number: int) -> None:
    with Capture("--record", tmp_path / "file.jsonl") as capture:
        held = held_by(capture.pid)
        until(lambda: len(load.seen) > 200, "no load")
        capture.stop(number)
    until(lambda: gone(held), f"left in the kernel: {held.left}")
    live = [event for event in capture.events if event["event"] == "http_transaction"]
    assert [event for event in replay(tmp_path / "file.jsonl") if event["event"] == "http_transaction"] == live


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    script = f'"{PROGRAM}" --no-ui --pid {os.getpid()} | head -n 1; exit "${{PIPESTATUS[0]}}"'
    with subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shell:
        assert shell.stderr is not None
        assert "ready" in shell.stderr.readline()
        while shell.poll() is None:
            with wire() as (client, server):
                say(client, server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
            time.sleep(0.05)
        rest = shell.stderr.read()
        assert shell.returncode == 0, rest
        assert "Traceback" not in rest
        assert "Broken pipe" not in rest


def test_without_the_right_to_capture_one_sentence_says_so_and_names_the_demo() -> None:
    command: list[str | Path] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", PROGRAM, "--no-ui"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("qtap-tui: ")
    assert "sudo" in sentence
    assert "qtap-tui --demo" in sentence

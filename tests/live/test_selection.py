"""`--pid` and `--exe`: the processes that are named, and their children, from the first byte to the last; nobody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.kernel import entries
from tests.live.program import PROGRAM, Capture, Fields, is_server, until
from tests.live.servers import Recorder, recorder
from tests.live.wires import say, wire

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a client that lives for less than a millisecond."""
    program = tmp_path_factory.mktemp("quick") / "quick-client"
    subprocess.run(["gcc", "-O2", "-o", program, Path(__file__).with_name("quick.c")], check=True)
    return program


@pytest.fixture(scope="module")
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


def clients_of(capture: Capture) -> list[str]:
    """Give the ids of the requests whose client was captured, sorted."""
    return sorted(ident(seen) for seen in capture.transactions if not is_server(seen))


def ident(transaction: Fields) -> str:
    return str(transaction["request"]["headers"]["X-Id"])


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def test_children_are_captured_however_short_they_live(quick: Path, server: Recorder) -> None:
    with Capture() as capture:
        for number in range(101):
            subprocess.run(
                [f"../{quick.parent.name}/{quick.name}", str(server.server_port), f"{number:03}"], cwd=quick.parent, check=True
            )
    assert clients_of(capture) == [f"{number:03}" for number in range(101)]
    clients = [seen for seen in capture.transactions if not is_server(seen)]
    assert {seen["metadata"]["process_exe"] for seen in clients} == {str(quick)}


def test_each_process_is_told_of_when_it_starts_is_replaced_and_stops(quick: Path, server: Recorder) -> None:
    with Capture() as capture:
        run("sh", "-c", f"exec {quick} {server.server_port} 1")
    (pid,) = {event["pid"] for event in capture.of("process") if event.get("path") == str(quick)}
    told = [event for event in capture.of("process") if event["pid"] == pid]
    assert [event["topic"] for event in told] == ["process.started", "process.replaced", "process.stopped"]
    assert told[1]["createdAt"] == told[2]["createdAt"] < told[2]["closedAt"]


def test_only_the_executables_that_are_named_are_captured(quick: Path, server: Recorder, tmp_path: Path) -> None:
    named = shutil.copy(quick, tmp_path / "the-named-one")
    port = str(server.server_port)
    with Capture("--exe", "THE-Named", only_us=False) as capture:
        for number in range(31):
            run(quick, port, "other")
            run(named, port, f"{number:02}")
    assert sorted(ident(seen) for seen in capture.transactions) == [f"{number:02}" for number in range(31)]
    assert {seen["metadata"]["process_exe"] for seen in capture.transactions} == {str(named)}


def test_a_named_executable_is_captured_below_a_process_that_is_not(quick: Path, server: Recorder, tmp_path: Path) -> None:
    named = shutil.copy(quick, tmp_path / "the-named-one")
    script = "".join(f"{named} {server.server_port} {number:02}; sleep 0.02;" for number in range(11))
    with Capture("--exe", "the-named-one", only_us=False) as capture:
        run("sh", "-c", script)
    assert clients_of(capture) == [f"{number:02}" for number in range(11)]


def test_children_of_a_named_executable_are_captured_from_its_first_moment_on(
    quick: Path, server: Recorder, tmp_path: Path
) -> None:
    shell = shutil.copy("/bin/sh", tmp_path / "the-named-shell")
    with Capture("--exe", "the-named-shell", only_us=False) as capture:
        for number in range(31):
            run(shell, "-c", f"({quick} {server.server_port} {number:02}); true")
            run("sh", "-c", f"({quick} {server.server_port} other); true")
    assert clients_of(capture) == [f"{number:02}" for number in range(31)]


def test_processes_that_run_already_are_captured_with_what_they_start_later(quick: Path, server: Recorder) -> None:
    port = server.server_port
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, text=True) as shell, subprocess.Popen(["sleep", "60"]) as other:
        assert shell.stdin is not None
        shell.stdin.write("sleep 0.5\n")  # a child of the past must not matter
        with Capture("--pid", str(shell.pid), "--pid", str(other.pid), only_us=False) as capture:
            shell.stdin.write(f"sh -c '({quick} {port} grandchild); true'\n{quick} {port} child\n")
            shell.stdin.close()
            assert shell.wait() == 0
            run(quick, str(port), "unrelated")
        other.kill()
    assert clients_of(capture) == ["child", "grandchild"]
    assert [seen for seen in capture.transactions if is_server(seen)] == []


def test_what_came_and_went_leaves_nothing_behind_in_the_kernel(quick: Path, server: Recorder) -> None:
    with Capture("--exe", "nothing-is-called-so", only_us=False) as capture:
        before = entries(capture.pid, "policy")
        for number in range(101):
            run(quick, str(server.server_port), str(number))
        # Others come and go on this host meanwhile, though not by the hundred.
        until(lambda: entries(capture.pid, "policy") < before + 50, "processes that ended stay in the kernel's list")
    assert capture.transactions == []


def test_the_program_never_captures_itself(tmp_path: Path) -> None:
    """Its own lines leave through a socket on which an HTTP request is under way: to another program they would be its body."""
    with wire() as (outlet, reader):
        log = (tmp_path / "log").open("w+b")
        with (
            log,
            subprocess.Popen([PROGRAM, "--no-ui", "--pid", str(os.getpid())], stdout=outlet.fileno(), stderr=log) as program,
        ):
            until(lambda: b"ready" in (tmp_path / "log").read_bytes(), "not ready")
            head = b"POST /own HTTP/1.1\r\nHost: own\r\nContent-Length: 100000000\r\n\r\n"
            say(outlet, reader, head)
            for number in range(5):
                with wire() as (client, server):
                    say(client, server, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
                    say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
            lines = b""
            while lines.count(b'"http_transaction"') < 10:
                lines += reader.recv(1 << 16)
            program.terminate()
            assert program.wait() == 0
            outlet.shutdown(socket.SHUT_WR)
            lines += b"".join(iter(lambda: reader.recv(1 << 16), b""))
    (own,) = (line for line in lines.splitlines() if b'"http://own/own"' in line and b"egress" in line)
    assert b'"bytes_sent":%d,' % len(head) in own

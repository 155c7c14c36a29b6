"""`--config`: what is filtered out leaves no line, whoever forked it and whenever it began; what is beside it loses nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import Capture, client_port, is_server
from tests.live.servers import Recorder, recorder
from tests.live.test_memory_bios import both_ends, go_on
from tests.live.test_selection import clients_of, quick, run
from tests.live.wires import port_of, say, wire

__all__ = ["quick"]
pytestmark = pytest.mark.live
ASK = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
SPEAK = r"""
speak() {
  exec 3<>/dev/tcp/127.0.0.1/PORT
  printf 'GET /x?size=3 HTTP/1.1\r\nHost: a\r\nX-Id: %s\r\nConnection: close\r\n\r\n' $1 >&3
  while read -r -u 3 line; do :; done
  exec 3>&-
}
"""
"""A request that bash makes itself, without another program."""


@pytest.fixture(scope="module")
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


def configured(folder: Path, tap: str, *options: str, only_us: bool = True) -> Capture:
    """Start a capture with this section `tap`."""
    file = folder / "config.yaml"
    file.write_text(f"version: 2\ntap: {tap}\n")
    return Capture("--config", file, *options, only_us=only_us)


def script(server: Recorder) -> str:
    return SPEAK.replace("PORT", str(server.server_port))


def test_a_filtered_program_is_left_out_and_the_one_beside_it_is_not(quick: Path, server: Recorder, tmp_path: Path) -> None:
    hidden = shutil.copy(quick, tmp_path / "Hidden-One")
    port = str(server.server_port)
    with configured(tmp_path, "{filters: {custom: [{exe: /hidden-one}]}}", only_us=False) as capture:
        for number in range(31):
            run(hidden, port, "hidden")
            run(quick, port, f"{number:02}")
        capture.wait_for(31, lambda seen: not is_server(seen) and seen["metadata"]["process_exe"] == str(quick))
    ours = [seen for seen in capture.transactions if str(seen["metadata"]["process_exe"]).startswith(str(tmp_path.parent))]
    assert sorted(str(seen["request"]["headers"]["X-Id"]) for seen in ours) == [f"{number:02}" for number in range(31)]
    assert not any(process.get("path") == str(hidden) for process in capture.of("process"))


def test_what_a_filtered_program_forks_is_left_out_whenever_it_began_until_it_executes_another(
    quick: Path, server: Recorder, tmp_path: Path
) -> None:
    hidden = shutil.copy("/bin/bash", tmp_path / "hidden-shell")
    commands = f"{script(server)}\nspeak hidden\n(speak hidden)\n({quick} {server.server_port} child)\n"
    (tmp_path / "script").write_text(commands)
    before = [subprocess.Popen([shell], stdin=subprocess.PIPE, text=True) for shell in (hidden, "/bin/bash")]
    with configured(tmp_path, "{filters: {custom: [{exe: DEN-sh, strategy: contains}]}}") as capture:
        run(hidden, tmp_path / "script")
        for process, text in zip(
            before, (commands, f"{script(server)}\nspeak other\nexec {hidden} {tmp_path}/script"), strict=True
        ):
            process.communicate(text)
            assert process.returncode == 0
    assert clients_of(capture) == ["child", "child", "child", "other"]


def test_a_part_of_a_program_can_be_left_out(tmp_path: Path, certificate: Path) -> None:
    parts = ("tls", "http", "data", "dns")
    curls = {part: shutil.copy("/usr/bin/curl", tmp_path / f"{part}-curl") for part in parts}
    rules = ", ".join(f"{{exe: {curl}, strategy: exact, only: [{part}]}}" for part, curl in curls.items())
    with (
        recorder() as server,
        recorder(certificate) as secure,
        configured(tmp_path, f"{{filters: {{custom: [{rules}]}}}}") as capture,
    ):
        for part, curl in curls.items():
            run(curl, "-s", "-H", f"X-Id: plain-{part}", "-o", "/dev/null", f"{server.url}/?size=9")
            run(curl, "-sk", "--http1.1", "-H", f"X-Id: tls-{part}", "-o", "/dev/null", f"{secure.url}/?size=9")
        capture.wait_for(8, is_server)
    assert clients_of(capture) == ["plain-dns", "plain-tls", "tls-dns"]
    told = {(seen["source"].get("exe"), seen["meta"]["connectionId"]) for seen in capture.of("connection")}
    of_curls = sorted(Path(exe).name for exe, _ in told if exe in map(str, curls.values()))
    assert of_curls == sorted(2 * [f"{part}-curl" for part in parts]), "its connections are told of all the same"


def speak_on_all(pem: Path) -> dict[str, int]:
    """Make one exchange on loopback connections of each kind; give their clients' ports."""
    ports = {}
    for name, host, with_tls in (("v4", "127.0.0.1", False), ("v6", "::1", False), ("tls", "127.0.0.1", True)):
        with wire(host, pem if with_tls else None) as (client, server):
            say(client, server, ASK % 1)
            say(server, client, ANSWER)
            ports[name] = port_of(client)
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as client,
        listener.accept()[0] as server,
    ):
        say(client, server, ASK % 1)
        say(server, client, ANSWER)
        ports["mapped"] = port_of(client)
    return ports


def own_address() -> str:
    """Give the address from which this host speaks to others; empty when it speaks to none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(unsent.getsockname()[0])


def test_loopback_is_left_out_whatever_it_carries(tmp_path: Path, certificate: Path) -> None:
    here = own_address()
    with wire() as (client, server), configured(tmp_path, "{ignore_loopback: true}") as capture:
        say(client, server, ASK % 1)
        say(server, client, ANSWER)
        speak_on_all(certificate)
        if here:
            with wire(here) as (outside, inside):
                say(outside, inside, ASK % 2)
                say(inside, outside, ANSWER)
                capture.both_ends(port_of(outside))
    assert len(capture.transactions) == (2 if here else 0)
    assert {connection["destination"]["address"]["ip"] for connection in capture.of("connection")} == (
        {here} if here else set()
    )


def test_tls_in_memory_on_connections_that_were_open_before_is_left_out_too(tmp_path: Path, certificate: Path) -> None:
    with both_ends("aiohttp", certificate) as client, configured(tmp_path, "{ignore_loopback: true}") as capture:
        go_on(client)
    assert capture.of("http_transaction") == []
    assert capture.of("connection") == []
    assert capture.of("loss") == []


def test_the_ends_that_answer_can_be_left_out(tmp_path: Path, certificate: Path) -> None:
    with configured(tmp_path, "{direction: egress}") as capture:
        ports = speak_on_all(certificate)
        capture.wait_for(len(ports), lambda seen: client_port(seen) in ports.values())
    seen = capture.transactions
    assert sorted(client_port(one) for one in seen) == sorted(ports.values())
    assert {one["direction"] for one in [*seen, *capture.of("connection")]} == {"egress-internal"}


def test_a_direction_that_is_not_wanted_costs_no_more_than_its_first_message(tmp_path: Path) -> None:
    with configured(tmp_path, "{direction: ingress}", "--bpf-trace", "mod:socket,exe:*") as capture, wire() as (client, server):
        port = port_of(client)
        answers = threading.Barrier(2)

        def answer() -> None:
            for number in range(50):
                say(client, server, ASK % number)
                say(server, client, ANSWER)
                if number == 5:
                    answers.wait()

        thread = threading.Thread(target=answer)
        thread.start()
        capture.wait_for(5, is_server)
        answers.wait()
        thread.join()
        capture.wait_for(50, is_server)
    copied = [line for line in capture.log.splitlines() if f" 127.0.0.1:{port} 127.0.0.1:" in line and " data " in line]
    assert 1 <= len(copied) < 30, capture.log
    assert [seen for seen in capture.transactions if not is_server(seen)] == []

"""What `doctor --pid` says of real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qtap.capture.checks import Check
from qtap.capture.diagnosis import diagnose

WAIT = "print(flush=True); sys.stdin.read()"


@contextmanager
def python(code: str) -> Iterator[int]:
    """Run code in a process that then waits; gives its number."""
    command = [sys.executable, "-c", f"import sys; {code}; {WAIT}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid


def found(pid: int, name: str) -> list[Check]:
    return [check for check in diagnose(pid) if check.name == name]


def test_a_process_with_a_library_that_has_probes_is_seen() -> None:
    with python("import ssl") as pid:
        assert [check.ok for check in found(pid, "process")] == [True]
        assert [check.ok for check in found(pid, "program")] == [True]
        (tls,) = [check for check in found(pid, "TLS") if "/libssl" in check.detail]
        assert tls.ok
        assert "openssl" in tls.detail


def test_its_sockets_are_counted() -> None:
    with python(
        "import socket; a = socket.create_server(('127.0.0.1', 0)); b = socket.create_connection(a.getsockname())"
    ) as pid:
        (sockets,) = found(pid, "sockets")
        assert sockets.ok
        assert "it has 1 TCP connections open and listens on 1" in sockets.detail
    with python("pass") as pid:
        assert [check.ok for check in found(pid, "sockets")] == [None]


def test_what_is_not_captured_is_named() -> None:
    code = "import socket; a, b = socket.socketpair(); q = socket.socket(type=2); q.connect(('127.0.0.1', 443))"
    with python(code) as pid:
        assert "it has 2 unix sockets" in found(pid, "unix sockets")[0].detail
        assert "HTTP/3 is not captured" in found(pid, "QUIC")[0].detail
        assert "no TLS library is found" in found(pid, "TLS")[0].detail


def test_a_process_that_is_gone_is_one_failure() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    (check,) = diagnose(process.pid)
    assert not check.ok
    assert str(process.pid) in check.detail


@pytest.mark.skipif(not os.path.isdir("/proc/2"), reason="the kernel's own processes are not visible")  # noqa: PTH112
def test_a_kernel_thread_has_no_program() -> None:
    (check,) = diagnose(2)
    assert not check.ok


def test_this_process_is_found_through_ipv6_too() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, socket.create_connection(server.getsockname()[:2]):
        (sockets,) = found(os.getpid(), "sockets")
        assert sockets.ok


@pytest.mark.parametrize(("options", "detail"), [([], "with --java only"), (["-Xrs"], "was started with -Xrs")])
def test_a_jvm_is_told_what_its_tls_needs(tmp_path: Path, options: list[str], detail: str) -> None:
    source = tmp_path / "Waits.java"
    source.write_text(
        "class Waits { public static void main(String[] a) throws Exception { System.out.println(); System.in.read(); } }"
    )
    with subprocess.Popen(["java", *options, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert detail in found(process.pid, "Java TLS")[0].detail
        process.communicate(b"\n")

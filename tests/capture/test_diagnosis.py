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


def test_io_uring_is_seen_since_linux_5_19() -> None:
    setup = "import ctypes; u = ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))"
    with python(setup) as pid:
        if not any("io_uring" in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()):  # noqa: PTH115
            pytest.skip("this kernel allows no io_uring")
        (ring,) = found(pid, "io_uring")
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    assert ring.ok is (None if release >= (5, 19) else False)
    assert ("only counted" if release >= (5, 19) else "does not show") in ring.detail


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
    assert check.detail == "2 (kthreadd) is a thread of the kernel, which runs no program"


def test_a_thread_is_told_from_its_process() -> None:
    with python("import threading; threading.Thread(target=lambda: threading.Event().wait(60), daemon=True).start()") as pid:
        (thread,) = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}  # noqa: PTH208
        (check,) = diagnose(thread)
        assert (check.detail, check.remedy) == (f"{thread} is one thread of the process {pid}", f"ask for {pid}")


def test_one_that_has_ended_but_was_not_waited_for_says_so() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (check,) = diagnose(process.pid)
    assert check.detail == f"{process.pid} (true) has ended, and waits for its parent to hear of it"
    process.wait()


def test_one_that_cannot_be_looked_into_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tinit\nState:\tS (sleeping)\nTgid:\t7\nVmSize:\t1 kB\n")
    (check,) = diagnose(7, tmp_path)
    assert (check.ok, check.detail) == (None, "7 (init) is just being started or ended")

    def refuse(_path: str) -> str:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (check,) = diagnose(7, tmp_path)
    assert "this kernel hides the program and the files of 7 (init) even from root" in check.detail


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

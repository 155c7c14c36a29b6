"""The process table against real processes of this host, and against a made-up /proc where numbers are used again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qtap.capture import processes
from qtap.capture.containers import Containers, Sockets
from qtap.capture.processes import ProcessTable
from qtap.capture.users import Users
from qtap.model import Container, Process

SECOND = 1_000_000_000


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    code = "import time; print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, "odd) name (", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_running_process_is_found_in_proc(sleeper: subprocess.Popen[bytes]) -> None:
    found = ProcessTable().get(sleeper.pid)
    assert found.pid == sleeper.pid
    assert found.exe == str(Path(sys.executable).resolve())
    assert found.args[1] == "-c"
    assert found.args[3] == "odd) name ("
    assert found.ppid == os.getpid()
    assert found.uid == os.getuid()
    assert found.user == Users().name(os.getuid())
    assert found.binary == Path(sys.executable).resolve().name
    assert abs(found.started_at - time.time_ns()) < 60 * SECOND


def test_an_entry_is_read_once_and_outlives_its_process(sleeper: subprocess.Popen[bytes]) -> None:
    table = ProcessTable()
    before = table.get(sleeper.pid)
    assert table.get(sleeper.pid) is before
    sleeper.kill()
    sleeper.wait()
    table.exit(sleeper.pid, time.time_ns())
    assert table.get(sleeper.pid) is before


def test_a_process_that_was_gone_before_a_look_keeps_what_the_kernel_told(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    table = ProcessTable()
    told = table.exec(sleeper.pid, 1, 12345, "/usr/bin/curl", "curl", ["curl", "-s"], 7 * SECOND)
    assert told == Process(sleeper.pid, "/usr/bin/curl", "curl", ["curl", "-s"], 1, 12345, "12345", 7 * SECOND)
    table.exit(sleeper.pid, 8 * SECOND)
    assert table.get(sleeper.pid) is told


def test_a_dead_child_that_nobody_waited_for_does_not_hide_what_was_told(sleeper: subprocess.Popen[bytes]) -> None:
    table = ProcessTable()
    told = table.exec(sleeper.pid, 1, 0, "/x", "x", ["x"], time.time_ns())
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    table.exit(sleeper.pid, time.time_ns())
    assert table.get(sleeper.pid) is told


def test_exec_prefers_the_path_of_the_running_program_to_that_of_the_call(sleeper: subprocess.Popen[bytes]) -> None:
    told = ProcessTable().exec(sleeper.pid, 1, 0, "./python", "python", ["./python"], 7)
    assert told.exe == str(Path(sys.executable).resolve())


def test_nobody_knows_a_process_that_never_was() -> None:
    assert ProcessTable().get(2**22 + 1) == Process(2**22 + 1)


class Proc:
    """A made-up /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.table = ProcessTable(
            procfs=str(root), containers=Containers(procfs=str(root), sockets=Sockets(docker=(), containerd=(), cri=()))
        )

    def run(self, pid: int, comm: str, *, started: float, uid: int = 0, cgroup: str = "/") -> None:
        """Let a process run that started so many seconds after the boot."""
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        ticks = int(started * os.sysconf("SC_CLK_TCK"))
        (folder / "stat").write_text(f"{pid} ({comm}) S 1 {' 0' * 17} {ticks} 0 0\n")
        (folder / "status").write_text(f"Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        (folder / "cmdline").write_bytes(comm.encode() + b"\0")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "exe").unlink(missing_ok=True)
        (folder / "exe").symlink_to(f"/usr/bin/{comm} (deleted)")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def wall(after_boot: float) -> int:
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(after_boot * SECOND)


def test_a_number_used_again_gives_the_new_process(proc: Proc) -> None:
    proc.run(50, "old", started=100)
    assert proc.table.get(50).comm == "old"
    proc.table.exit(50, wall(200))
    assert proc.table.get(50).comm == "old"
    proc.run(50, "new", started=300)
    assert proc.table.get(50).comm == "new"


def test_a_name_may_hold_anything(proc: Proc) -> None:
    proc.run(51, "a) S 9 (b", started=1)
    found = proc.table.get(51)
    assert (found.comm, found.ppid, found.exe) == ("a) S 9 (b", 1, "/usr/bin/a) S 9 (b")


def test_a_child_is_the_likeness_of_its_parent_until_it_calls_exec(proc: Proc) -> None:
    proc.run(60, "shell", started=1)
    parent = proc.table.get(60)
    proc.table.fork(60, 61, 5 * SECOND)
    child = proc.table.get(61)
    assert (child.pid, child.ppid, child.comm, child.started_at) == (61, 60, "shell", 5 * SECOND)
    assert parent.pid == 60
    told = proc.table.exec(61, 60, 0, "/bin/ls", "ls", ["ls"], 6 * SECOND)
    assert (told.comm, told.started_at) == ("ls", 5 * SECOND)


def test_a_child_that_was_gone_before_a_look_is_the_likeness_of_a_parent_that_nobody_had_looked_at(proc: Proc) -> None:
    proc.run(60, "shell", started=1)
    proc.table.fork(60, 61, 5 * SECOND)
    proc.table.exit(61, 6 * SECOND)
    child = proc.table.get(61)
    assert (child.pid, child.ppid, child.exe, child.started_at) == (61, 60, "/usr/bin/shell", 5 * SECOND)


def test_a_child_of_an_unknown_parent_is_looked_up(proc: Proc) -> None:
    proc.table.exec(71, 1, 0, "/old", "old", [], 1)
    proc.run(71, "found", started=2)
    proc.table.fork(70, 71)
    assert proc.table.get(71).comm == "found"


def test_a_process_that_appears_after_a_vain_look_is_found(proc: Proc) -> None:
    assert proc.table.get(80).comm == ""
    proc.run(80, "late", started=1)
    assert proc.table.get(80).comm == "late"


def test_memory_is_bounded_and_the_running_are_found_again(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LIMIT", 10)
    proc.run(1, "first", started=1)
    proc.table.get(1)
    for pid in range(1000, 1100):
        proc.table.exec(pid, 1, 0, "/x", "x", [], 1)
        proc.table.exit(pid, 2)
    assert len(proc.table) == 10
    assert proc.table.get(1).comm == "first"


def test_users_of_containers_are_numbers_but_for_root(proc: Proc) -> None:
    inside = f"/docker/{'ab' * 32}"
    proc.run(90, "web", started=1, uid=1, cgroup=inside)
    proc.run(91, "init", started=1, uid=0, cgroup=inside)
    assert (proc.table.get(90).user, proc.table.get(91).user) == ("1", "root")
    assert proc.table.get(90).container == Container(id="ab" * 6)


def test_a_name_that_comes_later_reaches_every_process_of_the_container(proc: Proc) -> None:
    told: list[Process] = []
    containers = Containers(procfs=str(proc.root), sockets=Sockets(docker=(), containerd=(), cri=()))
    table = ProcessTable(told.append, procfs=str(proc.root), containers=containers)
    for pid, container in {90: "ab", 91: "ab", 92: "cd"}.items():
        proc.run(pid, "web", started=1, cgroup=f"/docker/{container * 32}")
        table.get(pid)
    assert containers.named
    blank = table.get(90).container
    assert blank is not None
    containers.named(blank, Container(id="ab" * 6, name="shop"))
    assert [process.pid for process in told] == [90, 91]
    shop, other = table.get(91).container, table.get(92).container
    assert shop is not None
    assert other is not None
    assert (shop.name, other.name) == ("shop", "")


def test_users_are_read_from_the_list_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text("root:x:0:0::/root:/bin/sh\nbroken\n:x:3:3\nweb:x:33:33::/:/x\nlate:x:0:0::/:/x\nbad:x:x:0:\n")
    users = Users(path)
    assert [users.name(uid) for uid in (0, 33, 3, 34)] == ["root", "web", "3", "34"]
    path.write_text("new:x:34:34::/:/x\n")
    os.utime(path, ns=(1, 1))
    assert users.name(34) == "new"
    path.unlink()
    assert users.name(35) == "35"

"""What /proc says of a JVM decides whether SIGQUIT may be sent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from qtap.capture.java.jvm import RefusalError, catches_sigquit, describe, has_started, jvms

MAPS = "7f00-7f01 r-xp 00000000 08:01 42 /usr/lib/jvm/java-17/lib/server/libjvm.so\n"
STATUS = "Name:\tjava\nNSpid:\t{pid}\t7\nUid:\t0\t1000\t0\t0\nGid:\t0\t1001\t0\t0\nSigCgt:\t{caught}\n"


STARTING = ("java", "VM Thread", "Signal Dispatch", "Service Thread")


def process(  # noqa: PLR0917  what the files of /proc say
    procfs: Path, pid: int = 10, maps: str = MAPS, cmdline: str = "java\0-jar\0x", environ: str = "", state: str = "S",
    caught: str = "0000000181005ccf", threads: Iterable[str] = (*STARTING, "Notification Th"), age: float = 1,
) -> Path:  # fmt: skip
    folder = procfs / str(pid)
    folder.mkdir()
    for number, name in enumerate(threads, start=pid):
        (folder / f"task/{number}").mkdir(parents=True)
        (folder / f"task/{number}/comm").write_text(f"{name}\n")
    started = int((time.clock_gettime(time.CLOCK_BOOTTIME) - age) * os.sysconf("SC_CLK_TCK"))
    (folder / "maps").write_text(maps)
    (folder / "cmdline").write_text(cmdline)
    (folder / "environ").write_text(environ)
    (folder / "stat").write_text(f"{pid} (a) Z (java)) {state} {'0 ' * 18}{started} 0")
    (folder / "status").write_text(STATUS.format(pid=pid, caught=caught))
    return procfs


def test_jvms_are_told_by_the_library_that_they_have_mapped(tmp_path: Path) -> None:
    process(tmp_path, 10)
    process(tmp_path, 11, maps="7f00-7f01 r-xp 00000000 08:01 42 /usr/lib/libjvmti.so\n")
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    assert list(jvms(tmp_path)) == [10]


def test_it_is_known_by_the_number_of_its_own_namespace_and_its_effective_user(tmp_path: Path) -> None:
    jvm = describe(10, process(tmp_path))
    assert (jvm.pid, jvm.own_pid, jvm.uid, jvm.gid) == (10, 7, 1000, 1001)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"maps": MAPS + "7f00-7f01 r-xp 00000000 08:01 43 /opt/java/lib/default/libj9vm29.so\n"}, "OpenJ9"),
        ({"cmdline": "java\0-XX:+DisableAttachMechanism\0x"}, "DisableAttachMechanism"),
        ({"environ": "A=1\0JAVA_TOOL_OPTIONS=-Xmx1g -XX:+DisableAttachMechanism\0"}, "DisableAttachMechanism"),
        ({"cmdline": "java\0-Xrs\0x"}, "-Xrs"),
        ({"state": "T"}, "is stopped"),
    ],
)
def test_one_that_must_not_be_asked_is_refused_in_words(tmp_path: Path, facts: dict[str, str], reason: str) -> None:
    procfs = process(tmp_path, **facts)  # type: ignore[arg-type]
    with pytest.raises(RefusalError, match=reason):
        describe(10, procfs)


def test_one_that_is_gone_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ProcessLookupError):
        describe(10, tmp_path)
    with pytest.raises(ProcessLookupError):
        catches_sigquit(10, tmp_path)


@pytest.mark.parametrize(("caught", "expected"), [("0000000000000004", True), ("fffffffffffffffb", False)])
def test_the_third_bit_tells_whether_sigquit_is_caught(tmp_path: Path, caught: str, expected: bool) -> None:
    assert catches_sigquit(10, process(tmp_path, caught=caught)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, True),
        ({"caught": "0000000000000000"}, False),
        ({"threads": STARTING}, False),
        ({"threads": (*STARTING, "VM Periodic Tas")}, False),
        ({"threads": (*STARTING, "Sweeper thread", "VM Periodic Tas")}, True),
        ({"threads": STARTING, "age": 3600}, True),
        ({"threads": STARTING, "age": 3600, "caught": "0000000000000000"}, False),
    ],
)
def test_one_has_started_when_its_last_thread_runs_or_it_is_old(tmp_path: Path, facts: dict[str, str], expected: bool) -> None:
    assert has_started(10, process(tmp_path, **facts)) == expected  # type: ignore[arg-type]


def test_one_that_ends_while_it_is_looked_at_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ProcessLookupError):
        has_started(10, tmp_path)

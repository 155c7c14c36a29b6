"""The checks against made-up hosts, and against this one without rights."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qtap.capture.checks import Check, Host, can_capture, checks

ALL = "CapEff:\t000001ffffffffff\n"
ADMIN = f"CapEff:\t{1 << 21 | 1 << 19:016x}\n"
NONE = "CapEff:\t0000000000000000\n"


def refuse(number: int) -> Callable[[], None]:
    def call() -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host on which everything is there."""
    for path, text in {
        "proc/self/status": ALL,
        "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
        "sys/kernel/btf/vmlinux": "",
        "sys/bus/event_source/devices/uprobe/type": "8\n",
        "usr/lib/python3/dist-packages/bcc/libbcc.py": "",
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "proc/self/ns").mkdir()
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    return tmp_path


def good(root: Path, *, release: str = "6.12.1-amd64", machine: str = "x86_64", uid: int = 0) -> Host:
    return Host(root=root, release=release, machine=machine, uid=uid, try_ring=lambda: None)


def named(host: Host) -> dict[str, Check]:
    return {check.name: check for check in checks(host)}


def test_a_host_with_everything_can_capture(root: Path) -> None:
    assert can_capture(good(root)) == ""
    assert {check.ok for check in checks(good(root))} == {True}
    assert not any(check.remedy for check in checks(good(root)))


def test_the_general_capability_serves_for_those_split_from_it(root: Path) -> None:
    (root / "proc/self/status").write_text(ADMIN)
    assert can_capture(good(root)) == ""


def test_a_user_is_told_to_use_sudo_and_root_in_a_container_what_to_add(root: Path) -> None:
    (root / "proc/self/status").write_text(NONE)
    assert can_capture(good(root, uid=1000)) == "user 1000 lacks CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE; run it with sudo"
    assert "--cap-add CAP_BPF --cap-add CAP_PERFMON" in can_capture(good(root))


@pytest.mark.parametrize("release", ["5.9.16", "4.18.0-553.el8_10.x86_64", "3.10.0", "unknown"])
def test_an_old_kernel_is_refused(root: Path, release: str) -> None:
    assert can_capture(good(root, release=release)) == f"this kernel is Linux {release}; install Linux 5.10 or newer"


def test_another_machine_is_refused(root: Path) -> None:
    assert can_capture(good(root, machine="riscv64")).startswith("this machine is riscv64; ")


@pytest.mark.parametrize(
    ("path", "words", "remedy"),
    [
        ("sys/kernel/btf/vmlinux", "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"),
        ("sys/bus/event_source/devices/uprobe/type", "no uprobes", "CONFIG_UPROBE_EVENTS"),
        ("usr/lib/python3/dist-packages/bcc/libbcc.py", "BCC", "`apt install python3-bpfcc`"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(root: Path, path: str, words: str, remedy: str) -> None:
    (root / path).unlink()
    sentence = can_capture(good(root))
    assert words in sentence
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "apt install python3-bpfcc"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install python3-bcc"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman -S python-bcc"),
        ("ID=void\n", "apt install python3-bpfcc, dnf install python3-bcc or pacman"),
    ],
)
def test_the_command_for_bcc_is_that_of_the_distribution(root: Path, release: str, command: str) -> None:
    (root / "usr/lib/python3/dist-packages/bcc/libbcc.py").unlink()
    (root / "etc/os-release").write_text(release)
    assert command in can_capture(good(root))


def test_the_other_package_called_bcc_is_not_taken_for_it(root: Path) -> None:
    (root / "usr/lib/python3/dist-packages/bcc/libbcc.py").rename(root / "usr/lib/python3/dist-packages/bcc/lattice.py")
    assert named(good(root))["BCC"].ok is False


def test_lockdown_matters_at_its_highest_level_only(root: Path) -> None:
    level = root / "sys/kernel/security/lockdown"
    level.write_text("none integrity [confidentiality]\n")
    assert "confidentiality" in can_capture(good(root))
    level.unlink()
    assert named(good(root))["lockdown"].ok is None
    assert can_capture(good(root)) == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "seccomp"),
        (errno.EACCES, "seccomp"),
        (errno.EINVAL, "no BPF ring buffer"),
        (errno.ENOSYS, "CONFIG_BPF_SYSCALL"),
    ],
)
def test_a_refused_system_call_is_explained(root: Path, number: int, words: str) -> None:
    assert words in can_capture(Host(root=root, release="6.1.0", machine="x86_64", uid=0, try_ring=refuse(number)))


def test_what_only_costs_speed_or_names_does_not_stop_capture(root: Path) -> None:
    (root / "proc/self/ns/pid").unlink()
    (root / "proc/self/ns/pid").symlink_to("pid:[4026532999]")
    host = good(root, release="5.15.0")
    assert named(host)["quick detach"].ok is None
    assert "--pid=host" in named(host)["process ids"].remedy
    assert can_capture(host) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its rights away")
def test_this_host_refuses_a_process_without_rights() -> None:
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os._exit(0 if "lacks CAP_BPF" in can_capture() or "5.10" in can_capture() else 1)
    assert os.waitpid(child, 0)[1] == 0

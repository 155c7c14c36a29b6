"""Whether this host can capture, and if not, why: what `qtap-tui doctor` prints and start-up asks.

Nothing is changed but the limit for locked memory, which kernels before 5.11 charge BPF maps to. All of it takes 0.7 ms.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from qtap.capture import bpf

_MACHINES = ("x86_64",)
_OLDEST = (5, 10)
_MEMLOCK_UNTIL = (5, 11)
_UPROBE_MULTI_SINCE = (6, 6)
_CAPABILITIES = {"CAP_BPF": 39, "CAP_PERFMON": 38, "CAP_SYS_PTRACE": 19}
_CAP_SYS_ADMIN = 21
_INIT_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of include/linux/proc_ns.h."""
_BCC_FOLDERS = (
    "usr/lib/python3/dist-packages/bcc",
    "usr/lib/python3*/site-packages/bcc",
    "usr/lib64/python3*/site-packages/bcc",
    "usr/local/lib/python3*/*-packages/bcc",
)
_BCC_REMEDIES = {
    "debian": "apt install python3-bpfcc",
    "ubuntu": "apt install python3-bpfcc",
    "fedora": "dnf install python3-bcc",
    "rhel": "dnf install python3-bcc",
    "suse": "zypper install python3-bcc",
    "arch": "pacman -S python-bcc",
}

BCC_REMEDY = "apt install python3-bpfcc, dnf install python3-bcc or pacman -S python-bcc"


class Check(msgspec.Struct, frozen=True):
    """One thing that capture needs."""

    name: str
    ok: bool | None
    """None when it cannot be told, or matters for speed or naming only."""
    detail: str
    """What was found; with `remedy` it makes a sentence."""
    remedy: str = ""
    """What to do, in the imperative; empty when nothing is wrong."""


def _good(name: str, detail: str) -> Check:
    return Check(name, ok=True, detail=detail)


def _bad(name: str, detail: str, remedy: str) -> Check:
    return Check(name, ok=False, detail=detail, remedy=remedy)


def _open(name: str, detail: str, remedy: str = "") -> Check:
    return Check(name, ok=None, detail=detail, remedy=remedy)


def _try_ring() -> None:
    os.close(bpf.create_map(bpf.MAP_TYPE_RINGBUF, 0, 0, mmap.PAGESIZE))


class Host(msgspec.Struct, frozen=True):
    """The machine to look at; tests give another."""

    root: Path = Path("/")
    release: str = msgspec.field(default_factory=lambda: os.uname().release)
    machine: str = msgspec.field(default_factory=lambda: os.uname().machine)
    uid: int = msgspec.field(default_factory=os.geteuid)
    try_ring: Callable[[], None] = _try_ring
    """Creates a BPF ring buffer and drops it; raises OSError."""

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor number of the kernel; (0, 0) when the release does not begin with them."""
        match = re.match(r"(\d+)\.(\d+)", self.release)
        return (int(match[1]), int(match[2])) if match else (0, 0)

    def text(self, path: str) -> str | None:
        """Give the content of a file, or None when there is none to read."""
        try:
            return (self.root / path).read_text("utf-8", "replace")
        except OSError:
            return None


def checks(host: Host | None = None) -> list[Check]:
    """Look at everything that capture needs, the most basic first."""
    return list(_all(host or Host()))


def can_capture(host: Host | None = None) -> str:
    """Give one sentence with the first thing that keeps this host from capturing and its remedy; empty when nothing does."""
    failed = next((check for check in _all(host or Host()) if check.ok is False), None)
    return f"{failed.detail}; {failed.remedy}" if failed else ""


def raise_memlock() -> bool:
    """Lift the limit for locked memory, which BPF maps count against before Linux 5.11; tell whether it is lifted."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    return True


def raise_open_files() -> None:
    """Lift the soft limit for open files to the hard one: before Linux 6.6 every probe of every file is one, for long."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _all(host: Host) -> Iterator[Check]:
    yield _machine(host)
    yield _kernel(host)
    privileges = _privileges(host)
    yield privileges
    yield _lockdown(host)
    yield _btf(host)
    yield _memlock(host)
    yield _bpf_call(host, privileged=bool(privileges.ok))
    yield _uprobes(host)
    yield _uprobe_multi(host)
    yield _bcc(host)
    yield _process_ids(host)


def _machine(host: Host) -> Check:
    ok = host.machine in _MACHINES
    return Check("machine", ok, f"this machine is {host.machine}", "" if ok else f"capture on {' or '.join(_MACHINES)}")


def _kernel(host: Host) -> Check:
    ok = host.version >= _OLDEST
    return Check("kernel", ok, f"this kernel is Linux {host.release}", "" if ok else "install Linux 5.10 or newer")


def _privileges(host: Host) -> Check:
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", host.text("proc/self/status") or "", re.MULTILINE)
    held = int(match[1], 16) if match else 0
    admin = held >> _CAP_SYS_ADMIN & 1
    missing = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if admin:  # It includes the two that were split off from it in Linux 5.8.
        missing = [name for name in missing if name == "CAP_SYS_PTRACE"]
    if not missing:
        return _good("privileges", "this user may load and attach probes")
    added = " --cap-add ".join(missing)
    remedy = "run it with sudo" if host.uid else f"start this container with --privileged or --cap-add {added}"
    return _bad("privileges", f"user {host.uid} lacks {', '.join(missing)}", remedy)


def _lockdown(host: Host) -> Check:
    text = host.text("sys/kernel/security/lockdown")
    if text is None:
        return _open("lockdown", "the lockdown level is unknown (securityfs is not mounted)")
    level = text.partition("[")[2].partition("]")[0]
    if level == "confidentiality":
        remedy = "boot with lockdown=integrity or without Secure Boot's lockdown"
        return _bad("lockdown", "kernel lockdown at confidentiality forbids reading memory", remedy)
    return _good("lockdown", f"kernel lockdown is at {level or 'none'}")


def _btf(host: Host) -> Check:
    if (host.root / "sys/kernel/btf/vmlinux").exists():
        return _good("BTF", "this kernel describes its structures")
    remedy = "boot a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions do since 2021"
    return _bad("BTF", "this kernel does not describe its structures (no /sys/kernel/btf/vmlinux)", remedy)


def _memlock(host: Host) -> Check:
    if host.version >= _MEMLOCK_UNTIL:
        return _good("locked memory", "this kernel does not count BPF maps as locked memory")
    if raise_memlock():
        return _good("locked memory", "locked memory is not limited")
    remedy = "raise it with `ulimit -l unlimited` or give CAP_SYS_RESOURCE"
    return _bad("locked memory", "locked memory is limited, and BPF maps count as such", remedy)


def _bpf_call(host: Host, *, privileged: bool) -> Check:
    try:
        host.try_ring()
    except OSError as error:
        if error.errno == errno.EINVAL:
            return _bad("bpf call", "this kernel has no BPF ring buffer", "install Linux 5.10 or newer")
        if error.errno == errno.ENOSYS:
            return _bad("bpf call", "this kernel has no bpf system call", "boot one with CONFIG_BPF_SYSCALL")
        refused = f"the bpf system call is refused ({error.strerror})"
        if not privileged:
            return _bad("bpf call", refused, "run it with sudo")
        remedy = "run it outside the container, or in one with --privileged or --security-opt seccomp=unconfined"
        return _bad("bpf call", f"{refused} by a container's or seccomp's policy", remedy)
    return _good("bpf call", "the bpf system call works and has ring buffers")


def _uprobes(host: Host) -> Check:
    if host.text("sys/bus/event_source/devices/uprobe/type") is not None:
        return _good("uprobes", "this kernel has uprobes")
    remedy = "boot a kernel built with CONFIG_UPROBE_EVENTS, and mount sysfs on /sys"
    return _bad("uprobes", "this kernel offers no uprobes, which decrypted traffic needs", remedy)


def _uprobe_multi(host: Host) -> Check:
    if host.version >= _UPROBE_MULTI_SINCE:
        return _good("quick detach", "this kernel attaches and detaches many probes at once")
    return _open("quick detach", "this kernel attaches probes one by one (Linux 6.6 and newer do it at once)")


def _bcc(host: Host) -> Check:
    for pattern in _BCC_FOLDERS:
        # PyPI's bcc is something else and has no such file.
        found = next((path.parent for path in host.root.glob(f"{pattern}/libbcc.py")), None)
        if found:
            return _good("BCC", f"BCC is in {found}")
    return _bad("BCC", "BCC's Python bindings are not installed", _bcc_remedy(host))


def _bcc_remedy(host: Host) -> str:
    release = dict(re.findall(r'^(ID|ID_LIKE)="?([^"\n]*)', host.text("etc/os-release") or "", re.MULTILINE))
    for family in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        if family in _BCC_REMEDIES:
            return f"install them with `{_BCC_REMEDIES[family]}`"
    return f"install them: {BCC_REMEDY}"


def _process_ids(host: Host) -> Check:
    try:
        namespace = str((host.root / "proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    if namespace == _INIT_PID_NAMESPACE:
        return _good("process ids", "the host's processes are visible")
    remedy = "start the container with --pid=host"
    return _open("process ids", "only a container's processes are visible, others have no name", remedy)

"""From a process to its container's id: the text of /proc/PID/cgroup, else the monitor that an engine keeps above it.

Both may lie: users name control groups of their own, and any program may call itself a monitor. So a monitor counts outside of
containers only, an id is what ids may be, and `Place.claim` keeps apart what different users say of the same id.

cgroups(7): one line a hierarchy, `number:controllers:path`; version 2 has the number 0, and a hybrid host has both. Engines
write into the path `/docker/<id>`, `docker-<id>.scope`, `libpod-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope`,
`nerdctl-<id>.scope`, `/kubepods/burstable/pod<uid>/<id>`, `kubepods-burstable-pod<uid>.slice:cri-containerd:<id>`; containerd
itself `/<namespace>/<id>`, where the id is any name. Rootless Podman without systemd writes nothing: `0::/`.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import NamedTuple

_ID = re.compile(rb"(conmon-)?(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")
_POD = re.compile(rb"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])")
"""The second form is that of static pods, whose uid is a hash of their manifest."""
_OWNER = re.compile(rb"/user-(\d{1,10})\.slice/")
_NAMED = re.compile(rb"[^:]*:[^:]*:/(?!\.)([\w.-]{1,76})/(?!\.)([\w.-]{1,76})")
"""containerd: identifiers have at most 76 characters."""
_WHOLE_ID, _CHOSEN_ID = re.compile(r"[0-9a-f]{64}"), re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,76}")
_UNITS = (b".slice", b".scope", b".service")
_FILE_LIMIT = 1 << 16
"""Bytes of a file of /proc."""
_GENERATIONS = 32
"""Parents looked at above a process; an engine's monitor is right above the first process of the container."""


class Place(NamedTuple):
    """Where a process runs, as far as its host can tell without asking an engine."""

    id: str
    """64 hexadecimal digits, or the name that a user of containerd chose."""
    owner: int = 0
    """The user whose engine started it, 0 for the host's own engines."""
    pod: str = ""
    """The pod's uid, in Kubernetes."""
    name: str = ""
    """As the monitor was told; containerd's users choose names only."""
    storage: str = ""
    """The folder of Podman's containers that the monitor was told of."""
    namespace: str = ""
    """containerd's, where the path tells."""

    @property
    def claim(self) -> Place:
        """What tells one container from another: what is learned of one must not name another user's of the same id."""
        return self._replace(name="", storage="")


def place_in(cgroup: bytes) -> Place | None:
    """Find the container in the text of /proc/PID/cgroup; None outside of containers.

    The last id of a line is the innermost container. Podman's and CRI-O's monitors name their container but run outside it.
    """
    for line in cgroup.splitlines():
        found = _ID.findall(line)
        if found:
            monitor, digits = found[-1]
            return None if monitor else Place(digits.decode(), _owner(line), _pod(line))
    return None


def named_place(cgroup: bytes, tasks: str) -> Place | None:
    """Find a container of containerd with an id of another kind: one that has a task in the folder `tasks`."""
    for line in cgroup.splitlines():
        found = _NAMED.fullmatch(line)
        if found and not found[2].endswith(_UNITS) and not found[1].endswith(_UNITS):
            namespace, name = found[1].decode(errors="replace"), found[2].decode(errors="replace")
            if os.path.isdir(f"{tasks}/{namespace}/{name}"):  # noqa: PTH112  a millionth of a second counts at every exec
                return Place(name, name=name, namespace=namespace)
    return None


def monitored_place(pid: int, procfs: str) -> Place | None:
    """Find the container of a process in a pid namespace of its own by the engine's monitor among its ancestors.

    The monitor itself runs in our namespace and in no container, else it is a program of that name.
    """
    try:
        if _pid_namespace(str(pid), procfs) == (ours := _pid_namespace("self", procfs)):
            return None
        for _ in range(_GENERATIONS):
            comm, parent = _stat(pid, procfs)
            if comm == "conmon" or comm.startswith("containerd-shim"):
                is_outside = _pid_namespace(str(pid), procfs) == ours and not place_in(_file(pid, "cgroup", procfs))
                return _told_to(pid, procfs) if is_outside else None
            if parent <= 1:
                return None
            pid = parent
    except (OSError, ValueError, IndexError):
        pass
    return None


def _told_to(pid: int, procfs: str) -> Place | None:
    """Read what an engine told its monitor.

    Podman: `-c <id> -n <name> -b <graphroot>/overlay-containers/<id>/userdata`. containerd: `-namespace <name> -id <id>`.
    """
    words = _file(pid, "cmdline", procfs).decode("utf-8", "replace").split("\0")
    told = dict(reversed([*pairwise(words)]))  # the first of each counts
    users = {*_file(pid, "status", procfs).partition(b"\nUid:")[2].partition(b"\n")[0].split()}
    if len(users) != 1:  # on the way from one user to another: neither answers for what its command line says
        return None
    owner = int(users.pop())
    if _WHOLE_ID.fullmatch(identity := told.get("-c", "")):
        storage, _, end = told.get("-b", "").rpartition(f"/{identity}/")
        return Place(identity, owner, name=told.get("-n", ""), storage=storage if end == "userdata" else "")
    namespace = told.get("-namespace", "")
    if _CHOSEN_ID.fullmatch(identity := told.get("-id", "")) and _CHOSEN_ID.fullmatch(namespace):
        return Place(identity, owner, namespace=namespace)
    return None


def _pid_namespace(pid: str, procfs: str) -> str:
    return os.readlink(f"{procfs}/{pid}/ns/pid")  # noqa: PTH115  2 us against 8, at each exec


def _file(pid: int, name: str, procfs: str) -> bytes:
    with open(f"{procfs}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  4 us against 11
        return file.read(_FILE_LIMIT) or b""


def _stat(pid: int, procfs: str) -> tuple[str, int]:
    text = _file(pid, "stat", procfs).decode("utf-8", "replace")
    # The name in parentheses may itself hold parentheses and spaces.
    return text.partition("(")[2].rpartition(")")[0], int(text.rpartition(")")[2].split()[1])


def _owner(line: bytes) -> int:
    found = _OWNER.search(line)
    return int(found[1]) if found else 0


def _pod(line: bytes) -> str:
    found = _POD.findall(line)
    return found[-1].decode().replace("_", "-") if found else ""

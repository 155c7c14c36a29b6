"""A process of this host and the container it runs in."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Pod(msgspec.Struct, frozen=True, omit_defaults=True):
    """The Kubernetes pod of a container."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container, as its runtime or its cgroup path names it."""

    id: str = ""
    """The first twelve hexadecimal digits; containerd lets its users choose any name instead, which is whole."""
    name: str = ""
    image: str = ""
    labels: dict[str, str] = {}
    pod: Pod | None = None


def pod_of(labels: Mapping[str, str]) -> Pod | None:
    """Give the pod that the labels of its container name, as the kubelet sets them; its own labels are not among these."""
    name = labels.get("io.kubernetes.pod.name", "")
    return Pod(name, labels.get("io.kubernetes.pod.namespace", ""), labels.get("io.kubernetes.pod.uid", "")) if name else None


class Process(msgspec.Struct, omit_defaults=True):
    """One process; a field is empty when neither the kernel nor /proc told it in time."""

    pid: int
    """The thread group id, as the initial pid namespace numbers it."""
    exe: str = ""
    comm: str = ""
    args: list[str] = []
    ppid: int = 0
    uid: int = -1
    user: str = ""
    started_at: int = 0
    """Nanoseconds since the Unix epoch; 0 when unknown."""
    container: Container | None = None
    replaced: bool = False
    """It was told of before, with another program: it called exec again."""
    ended_at: int = 0
    """When it ended; 0 while it runs."""

    @property
    def binary(self) -> str:
        """The last part of the executable's path, else the kernel's short name."""
        return self.exe.rpartition("/")[2] or self.comm

"""A process of this host and the container it runs in."""

from __future__ import annotations

import msgspec


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container, as its runtime or its cgroup path names it."""

    id: str = ""
    """The first twelve hexadecimal digits."""
    name: str = ""
    image: str = ""
    labels: dict[str, str] = {}


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

    @property
    def binary(self) -> str:
        """The last part of the executable's path, else the kernel's short name."""
        return self.exe.rpartition("/")[2] or self.comm

"""Which programs are left out of a capture, wholly or in part (spec qtap.md 1.7 and 7.8)."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

SKIP = {"data": 1, "dns": 2, "tls": 4, "http": 8}
"""What a filter may leave out; the bits are SKIP_* of bpf/state.h."""
SKIP_ALL = 15

_RUNTIMES = ("/usr/bin/containerd", "/usr/bin/dockerd", "/usr/bin/runc")
GROUPS: dict[str, tuple[str, ...]] = {
    "container": _RUNTIMES,
    "container-runtimes": _RUNTIMES,
    "kubernetes": (
        "/home/kubernetes/bin/kubelet",
        "/home/kubernetes/bin/kube-proxy",
        "/proxy-agent",
        "/cluster-proportional-autoscaler",
        "/csi-node-driver-registrar",
    ),
    "gke": (
        "/home/kubernetes/bin/gcfsd",
        "/event-exporter",
        "/fluent-bit-gke-exporter",
        "/home/kubernetes/bin/node-problem-detector",
    ),
    "eks": (
        "/app/aws-k8s-agent",
        "/usr/bin/amazon-ssm-agent",
        "/usr/bin/ssm-agent-worker",
        "/usr/bin/ssm-document-worker",
    ),
    "qpoint": (),
}
"""Paths of executables; `qpoint` is this program itself, which is never captured anyway."""


def _compiled(pattern: str) -> Callable[[str], bool]:
    search = re.compile(pattern).search
    return lambda exe: search(exe) is not None


_STRATEGIES: dict[str, Callable[[str], Callable[[str], bool]]] = {
    "exact": lambda wanted: lambda exe: exe.lower() == wanted.lower(),
    "prefix": lambda wanted: lambda exe: exe.lower().startswith(wanted.lower()),
    "suffix": lambda wanted: lambda exe: exe.lower().endswith(wanted.lower()),
    "contains": lambda wanted: lambda exe: wanted.lower() in exe.lower(),
    "regex": _compiled,
}
STRATEGIES = tuple(_STRATEGIES)


class Filter(msgspec.Struct, frozen=True):
    """One rule: processes whose executable's path matches `exe` lose what `skip` says."""

    exe: str
    strategy: str = "suffix"
    """One of `STRATEGIES`; all but `regex` take any letter case, and `regex` may match anywhere."""
    skip: int = SKIP_ALL
    """Bits of `SKIP`."""

    def matcher(self) -> Callable[[str], bool]:
        """Give what tells whether a path matches; raises re.error."""
        return _STRATEGIES[self.strategy](self.exe)


class Filters:
    """Rules in order; the first that matches decides. False when there are none."""

    def __init__(self, rules: tuple[Filter, ...] = (), groups: tuple[str, ...] = ()) -> None:
        members = [Filter(exe, "exact") for group in groups for exe in GROUPS[group]]
        self._rules = [(rule.matcher(), rule.skip) for rule in (*rules, *members)]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def skipped(self, exe: str) -> int:
        """Give what is left out of a process that runs `exe`: bits of `SKIP`."""
        return next((skip for matches, skip in self._rules if matches(exe)), 0)

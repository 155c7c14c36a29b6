"""What `--bpf-trace` takes: modules and programs, in qtap's words (spec qtap.md 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

LAYERS = ("socket", "openssl", "gnutls", "nss", "javassl", "gotls", "rustls")
"""The module of each layer of bpf/record.h; Node's OpenSSL is `nodetls`, too."""
MODULES = (*LAYERS, "nodetls", "process", "protocol")
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "exe": lambda exe, wanted: wanted in ("*", exe),
    "exe.contains": lambda exe, wanted: wanted in exe,
    "exe.startsWith": str.startswith,
    "exe.endsWith": str.endswith,
}


class TraceError(ValueError):
    """What was given to `--bpf-trace` is not understood; the text is qtap's own."""


class Toggles(NamedTuple):
    """What is traced: these modules, of processes whose executable fits any of `exes`."""

    modules: frozenset[str] = frozenset()
    exes: tuple[tuple[str, str], ...] = ()

    @property
    def prints(self) -> bool:
        """Whether anything can be traced: a module and a program are named."""
        return bool(self.modules and self.exes)

    def module(self, names: tuple[str, ...], exe: str) -> str:
        """Give which of `names` is traced for a process that runs `exe`; empty when none is."""
        name = next((name for name in names if name in self.modules), "")
        return name if name and any(_MATCHES[way](exe, wanted) for way, wanted in self.exes) else ""


def parse(text: str) -> Toggles:
    """Read `mod:socket,exe.contains:app`; raises TraceError."""
    modules: set[str] = set()
    exes: list[tuple[str, str]] = []
    for toggle in filter(None, map(str.strip, text.split(","))):
        key, colon, value = toggle.partition(":")
        if not colon or ":" in value or not value or (key != "mod" and key not in _MATCHES):
            raise TraceError(f"invalid toggle format: {toggle}")
        if key != "mod":
            exes.append((key, value))
        elif value in MODULES:
            modules.add(value)
        else:
            raise TraceError(f"invalid component: {value}")
    return Toggles(frozenset(modules), tuple(exes))

"""The words in which a TLS library tells where its plaintext passes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qtap.capture.elf import Elf


class ProbePoint(msgspec.Struct, frozen=True):
    """One place in a library's or executable's file for a uprobe, and for a return probe where `leave` is given."""

    symbol: str
    offset: int
    """Bytes from the start of the file to the instruction."""
    enter: str
    """The program in `bpf/` that runs there."""
    leave: str = ""
    """The program that runs when the function returns."""
    cheap: bool = True
    """False when the kernel has to single-step the instruction (0.4 us a hit become 10 to 14 in a virtual machine)."""


class TlsLibrary(msgspec.Struct, frozen=True):
    """One library that has probes."""

    name: str
    """As `Connection.tls_probe` names it."""
    probe_points: Callable[[Elf], list[ProbePoint]]
    """Gives the probe points of a file, none when it lacks the functions; raises ElfError."""
    marker: bytes = b""
    """In every path that `matches` takes: looked for in /proc/PID/maps before anything dearer. Empty: no shared library."""
    matches: Callable[[str], bool] = lambda _basename: False
    """Tells from a file's base name whether it is this library."""
    in_executables: bool = False
    """Whether programs carry it in their own file, so that each executable is looked into."""

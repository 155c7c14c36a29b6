"""The words in which a TLS library tells where its plaintext passes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class ProbePoint(msgspec.Struct, frozen=True):
    """One place in a library's file for a uprobe, and for a return probe where `has_return`."""

    symbol: str
    kind: str
    """What the function means to the kernel program, in the library's own words, for example `read_internal`."""
    offset: int
    """Bytes from the start of the file to the instruction."""
    has_return: bool
    count_argument: int = -1
    """Which argument (from 0) points to the size_t that receives the count of bytes; -1 when the result is the count."""
    cheap: bool = True
    """False when the kernel has to single-step the instruction (0.4 us a hit become 10 to 14 in a virtual machine)."""


class TlsLibrary(msgspec.Struct, frozen=True):
    """One library that has probes."""

    name: str
    """As `Connection.tls_probe` names it."""
    marker: bytes
    """In every path that `matches` takes: looked for in /proc/PID/maps before anything dearer."""
    matches: Callable[[str], bool]
    """Tells from a file's base name whether it is this library."""
    probe_points: Callable[[str], list[ProbePoint]]
    """Gives the probe points of the file at a path, none when it lacks the functions; raises ElfError."""

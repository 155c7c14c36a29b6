"""The words in which a TLS library tells where its plaintext passes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qtap.capture.elf import X86_64, Elf, Symbol
from qtap.capture.prologue import cheap_site


class ProbePoint(msgspec.Struct, frozen=True):
    """One place in a library's or executable's file, for a uprobe (`enter`), a return probe (`leave`), or both."""

    symbol: str
    offset: int
    """Bytes from the start of the file to the instruction."""
    enter: str
    """The program in `bpf/` that runs there, or empty."""
    leave: str = ""
    """The program that runs when the function returns."""
    cheap: bool = True
    """False when the kernel has to single-step the instruction (0.4 us a hit become 10 to 14 in a virtual machine)."""


_CODE = 64


def probe_point(elf: Elf, symbol: Symbol, enter: str, leave: str = "") -> ProbePoint:
    """Put a probe at the cheap instruction of a function; raises ElfError."""
    code = elf.read(symbol.offset, min(symbol.size or _CODE, _CODE, elf.size - symbol.offset))
    site = cheap_site(code, returns=bool(leave)) if elf.machine == X86_64 else 0
    return ProbePoint(symbol.name, symbol.offset + (site or 0), enter, leave, cheap=site is not None)


def point_at(elf: Elf, name: str, address: int, enter: str, leave: str = "") -> ProbePoint:
    """Put a probe into the function `name` of a file in which it has no symbol, by its address; raises ElfError."""
    return probe_point(elf, Symbol(name, address, 0, elf.offset_of(address)), enter, leave)


class TlsLibrary(msgspec.Struct, frozen=True):
    """One library that has probes."""

    name: str
    """As `Connection.tls_probe` names it."""
    probe_points: Callable[[Elf], list[ProbePoint]]
    """Gives the probe points of a file, none when it lacks the functions; raises ElfError."""
    matches: Callable[[str], bool] = lambda _basename: False
    """Tells from a file's base name whether it is this library."""
    in_executables: bool = False
    """Whether programs carry it in their own file, so that each executable and shared object is looked into."""
    absence: Callable[[Elf], str] = lambda _elf: ""
    """Says why the plaintext of such a file without probe points is not seen though the library is in it; empty: it is not."""

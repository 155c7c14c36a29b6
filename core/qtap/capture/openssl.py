"""OpenSSL's libssl, 1.0 to 4.0, of any build: where plaintext enters and leaves it.

The public functions mostly begin with `sub`, which the kernel single-steps under a uprobe. ssl_read_internal and
ssl_write_internal (since 1.1.1), which SSL_read, SSL_read_ex, BIO_f_ssl and their writing twins share, mostly begin with
`push`, which it emulates: nginx then keeps 0.69 of its TLS throughput instead of 0.11. They are not exported; they are the
first function of the library itself that the public ones call. Where that answer is not beyond doubt, where probes there would
not be cheap (3.6 and 4.0 as gcc 15 compiles them), and on other machines than x86-64, the public functions are taken.
"""

from __future__ import annotations

import re

from qtap.capture.elf import X86_64, Elf, Symbol
from qtap.capture.probe import ProbePoint, TlsLibrary
from qtap.capture.prologue import cheap_site, first_call

_BASENAME = re.compile(r"libssl(-[^/]*)?\.so(\.[^/]*)?")
_COUNT, _COUNT_AFTER_FLAGS = 3, 4
_PUBLIC = {
    "SSL_read": ("read", -1),
    "SSL_read_ex": ("read_ex", _COUNT),
    "SSL_write": ("write", -1),
    "SSL_write_ex": ("write_ex", _COUNT),
    "SSL_write_ex2": ("write_ex", _COUNT_AFTER_FLAGS),
}
_ENTRIES = {"SSL_set_fd": "set_fd", "SSL_set_rfd": "set_fd", "SSL_set_wfd": "set_fd", "SSL_free": "free"}
_CODE = 160
"""Bytes of a function to look at; the call lies 80 bytes in at most in the builds seen."""


def _matches(basename: str) -> bool:
    """Accept libssl.so, libssl.so.3, and wheels' libssl-3e69114b.so.1.1; libssl3.so is NSS."""
    return _BASENAME.fullmatch(basename) is not None


def probe_points(path: str) -> list[ProbePoint]:
    """Give the probe points of the libssl at `path`; raises ElfError.

    `read*` and `write*` have a return probe and take handle, buffer, length. `set_fd` (any of three functions: handle,
    descriptor) and `free` (handle) have none. Among the public functions SSL_write_ex and SSL_write_ex2 may both be listed,
    and the first calls the second: the inner return ends the call, and the outer one says nothing new.
    """
    with Elf(path) as elf:
        symbols = elf.symbols([*_PUBLIC, *_ENTRIES, "SSL_peek"])
        if "SSL_read" not in symbols or "SSL_write" not in symbols:
            return []
        points = _internal(elf, symbols) or [
            _point(elf, symbols[name], kind, count=count) for name, (kind, count) in _PUBLIC.items() if name in symbols
        ]
        return points + [_point(elf, symbols[name], kind) for name, kind in _ENTRIES.items() if name in symbols]


def _internal(elf: Elf, symbols: dict[str, Symbol]) -> list[ProbePoint]:
    """Give the two internal functions; nothing when they cannot be told beyond doubt, or probes there would not be cheap."""
    if elf.machine != X86_64 or "SSL_read_ex" not in symbols or "SSL_write_ex" not in symbols:
        return []
    # Since 3.3 SSL_write_ex goes through SSL_write_ex2, and ssl_write_internal takes flags before `written`.
    flags = "SSL_write_ex2" in symbols
    read = _shared_callee(elf, symbols, "SSL_read", "SSL_read_ex")
    write = _shared_callee(elf, symbols, "SSL_write", "SSL_write_ex2" if flags else "SSL_write_ex")
    if read is None or write is None or len({read, write, _callee(elf, symbols.get("SSL_peek"))}) < 3:  # noqa: PLR2004
        return []
    count = _COUNT_AFTER_FLAGS if flags else _COUNT
    points = [
        _point(elf, Symbol("ssl_read_internal", read, 0, elf.offset_of(read)), "read_internal", count=_COUNT),
        _point(elf, Symbol("ssl_write_internal", write, 0, elf.offset_of(write)), "write_internal", count=count),
    ]
    return points if all(point.cheap for point in points) else []


def _shared_callee(elf: Elf, symbols: dict[str, Symbol], one: str, other: str) -> int | None:
    """Give the function that both call first; None when they call different ones."""
    target = _callee(elf, symbols[one])
    return target if target == _callee(elf, symbols[other]) else None


def _callee(elf: Elf, symbol: Symbol | None) -> int | None:
    """Give the address of the first function of the library's own code that `symbol` calls."""
    if symbol is None:
        return None
    return first_call(_code(elf, symbol), symbol.address, lambda address: elf.section_at(address) == ".text")


def _code(elf: Elf, symbol: Symbol) -> bytes:
    return elf.read(symbol.offset, min(symbol.size or _CODE, _CODE, elf.size - symbol.offset))


def _point(elf: Elf, symbol: Symbol, kind: str, *, count: int | None = None) -> ProbePoint:
    """Put a probe at the cheap instruction of a function; `count` is given for those with a return probe."""
    returns = count is not None
    site = cheap_site(_code(elf, symbol), returns=returns) if elf.machine == X86_64 else 0
    return ProbePoint(
        symbol=symbol.name,
        kind=kind,
        offset=symbol.offset + (site or 0),
        has_return=returns,
        count_argument=-1 if count is None else count,
        cheap=site is not None,
    )


OPENSSL = TlsLibrary(name="openssl", marker=b"libssl", matches=_matches, probe_points=probe_points)

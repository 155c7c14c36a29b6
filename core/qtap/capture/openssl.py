"""OpenSSL's libssl, 1.0 to 4.0, of any build: where plaintext enters and leaves it.

The public functions mostly begin with `sub`, which the kernel single-steps under a uprobe. ssl_read_internal and
ssl_write_internal (since 1.1.1), which SSL_read, SSL_read_ex, BIO_f_ssl and their writing twins share, mostly begin with
`push`, which it emulates: nginx then keeps 0.69 of its TLS throughput instead of 0.11. They are not exported; they are the
first function of the library itself that the public ones call. Where that answer is not beyond doubt, where probes there would
not be cheap (3.6 and 4.0 as gcc 15 compiles them), and on other machines than x86-64, the public functions are taken.
"""

from __future__ import annotations

import re

from qtap.capture.bio import bio_points
from qtap.capture.boringssl_stripped import boringssl_points
from qtap.capture.elf import X86_64, Elf, Symbol
from qtap.capture.openssl1_stripped import openssl1_points
from qtap.capture.openssl_stripped import stripped_points, why_unseen
from qtap.capture.probe import ProbePoint, TlsLibrary, point_at, probe_point
from qtap.capture.prologue import first_call

_BASENAME = re.compile(r"libssl(-[^/]*)?\.so(\.[^/]*)?")
_RETURNED, _COUNT, _COUNT_AFTER_FLAGS = "ssl_enter", "ssl_enter_4", "ssl_enter_5"
"""The entry program by where the function leaves the byte count: its result, its fourth argument, its fifth."""
_READ, _WRITE = "ssl_leave_read", "ssl_leave_write"
_PUBLIC = {
    "SSL_read": (_RETURNED, _READ),
    "SSL_read_ex": (_COUNT, _READ),
    "SSL_write": (_RETURNED, _WRITE),
    "SSL_write_ex": (_COUNT, _WRITE),
    "SSL_write_ex2": (_COUNT_AFTER_FLAGS, _WRITE),
}
_EARLY = {"SSL_read_early_data": (_COUNT, _READ), "SSL_write_early_data": (_COUNT, _WRITE)}
"""They call the others, except where those are part of them; a call within a call is told once."""
_SILENT = ("ssl_enter_silent", "ssl_leave_silent")
_ENTRIES = {
    "SSL_set_fd": ("ssl_set_fd", ""),
    "SSL_set_rfd": ("ssl_set_fd", ""),
    "SSL_set_wfd": ("ssl_set_fd", ""),
    "SSL_set_bio": ("ssl_set_bio", ""),
    "SSL_set0_rbio": ("ssl_set_bio", ""),
    "SSL_do_handshake": _SILENT,
    "SSL_sendfile": ("ssl_enter_file", "ssl_leave_file"),
    "SSL_clear": ("ssl_clear", ""),
    "SSL_free": ("ssl_free", ""),
} | _EARLY
_PEEKS = ("SSL_peek", "SSL_peek_ex")
_CODE = 160
"""Bytes of a function to look at; the call lies 80 bytes in at most in the builds seen."""


def _matches(basename: str) -> bool:
    """Accept libssl.so, libssl.so.3, and wheels' libssl-3e69114b.so.1.1; libssl3.so is NSS."""
    return _BASENAME.fullmatch(basename) is not None


def probe_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a libssl; raises ElfError.

    Among the public functions SSL_write_ex and SSL_write_ex2 may both be listed, and the first calls the second: the inner
    return ends the call, and the outer one says nothing new.
    """
    symbols = elf.symbols([*_PUBLIC, *_PEEKS, *_ENTRIES], enough=("SSL_read", "SSL_write"))
    if "SSL_read" not in symbols or "SSL_write" not in symbols:
        return stripped_points(elf) or openssl1_points(elf) or boringssl_points(elf)
    points = _internal(elf, symbols) or [
        probe_point(elf, symbols[name], enter, leave) for name, (enter, leave) in _PUBLIC.items() if name in symbols
    ]
    points += _peeks(elf, symbols)
    points += [probe_point(elf, symbols[name], *programs) for name, programs in _ENTRIES.items() if name in symbols]
    return points + bio_points(elf)


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
        point_at(elf, "ssl_read_internal", read, _COUNT, _READ),
        point_at(elf, "ssl_write_internal", write, count, _WRITE),
    ]
    return points if all(point.cheap for point in points) else []


def _peeks(elf: Elf, symbols: dict[str, Symbol]) -> list[ProbePoint]:
    """Give the functions that look ahead; not BoringSSL's, which SSL_read consists of."""
    if any(name not in symbols for name in _PEEKS):
        return []
    internal = _shared_callee(elf, symbols, *_PEEKS)
    if internal is not None and elf.machine == X86_64:
        point = point_at(elf, "ssl_peek_internal", internal, *_SILENT)
        if point.cheap:
            return [point]
    return [probe_point(elf, symbols[name], *_SILENT) for name in _PEEKS]


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


OPENSSL = TlsLibrary(name="openssl", matches=_matches, probe_points=probe_points, in_executables=True, absence=why_unseen)
LIBNODE = TlsLibrary(
    name="openssl",
    matches=lambda basename: basename.startswith("libnode.so"),
    # Distributions link it with their libssl; its memory BIO is its own.
    probe_points=lambda elf: probe_points(elf) or bio_points(elf),
)

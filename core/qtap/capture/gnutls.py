"""GnuTLS: its record functions, whose names have not changed since 3.0.

gnutls_record_send only jumps to gnutls_record_send2. gnutls_record_recv and gnutls_record_recv_seq both end in
_gnutls_recv_int, where a probe is cheap; where the two do not lead to one function, they are probed themselves.
"""

from __future__ import annotations

import re

from qtap.capture.elf import X86_64, Elf, Symbol
from qtap.capture.probe import ProbePoint, TlsLibrary, probe_point
from qtap.capture.prologue import targets

_BASENAME = re.compile(r"libgnutls(-[0-9a-f]{8})?\.so(\.[^/]*)?")
_SEND = ("gnutls_enter", "gnutls_leave_send")
_RECEIVE = ("gnutls_enter", "gnutls_leave_recv")
_RECEIVERS = ("gnutls_record_recv", "gnutls_record_recv_seq")
_OTHERS = {
    "gnutls_handshake": ("ssl_enter_silent", "ssl_leave_silent"),
    "gnutls_transport_set_int2": ("ssl_set_fd", ""),
    "gnutls_deinit": ("ssl_free", ""),
}
"""What is as in OpenSSL: the handle comes first, then a descriptor."""


def _matches(basename: str) -> bool:
    """Accept libgnutls.so.30 and wheels' libgnutls-0badcafe.so.30; not libgnutls-dane.so.0 and libgnutlsxx.so.28."""
    return _BASENAME.fullmatch(basename) is not None


def probe_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a libgnutls; raises ElfError."""
    symbols = elf.symbols(["gnutls_record_send", "gnutls_record_send2", *_RECEIVERS, *_OTHERS])
    send = symbols.get("gnutls_record_send2") or symbols.get("gnutls_record_send")
    if send is None or "gnutls_record_recv" not in symbols:
        return []
    points = [probe_point(elf, send, *_SEND), *_receivers(elf, symbols)]
    return points + [probe_point(elf, symbols[name], *programs) for name, programs in _OTHERS.items() if name in symbols]


def _receivers(elf: Elf, symbols: dict[str, Symbol]) -> list[ProbePoint]:
    receivers = [symbols[name] for name in _RECEIVERS if name in symbols]
    if len(receivers) == len(_RECEIVERS) and elf.machine == X86_64:
        shared = set.intersection(*(_own_targets(elf, symbol) for symbol in receivers))
        for address in shared if len(shared) == 1 else ():
            internal = Symbol("_gnutls_recv_int", address, 0, elf.offset_of(address))
            return [probe_point(elf, internal, "gnutls_enter_recv_int", "gnutls_leave_recv")]
    return [probe_point(elf, symbol, *_RECEIVE) for symbol in receivers]


def _own_targets(elf: Elf, symbol: Symbol) -> set[int]:
    """Give the functions of the library itself that `symbol` calls or ends in."""
    found = targets(elf.read(symbol.offset, symbol.size), symbol.address)
    outside = {address for address in found if not symbol.address <= address < symbol.address + symbol.size}
    return {address for address in outside if elf.section_at(address) == ".text"}


GNUTLS = TlsLibrary(name="gnutls", matches=_matches, probe_points=probe_points)

"""OpenSSL 3 in a file without symbols: where it can be told for sure, and what to say of others of its kind where it cannot.

OpenSSL 3 reports errors with the name of the function (ERR_set_debug), so that its internal read and write functions are found
by their own names. LibreSSL reports nothing but lines of source files, which tell no function of one build from another's.
"""

from __future__ import annotations

from qtap.capture.bio import unnamed_bio_points
from qtap.capture.elf import X86_64, Elf
from qtap.capture.probe import ProbePoint, point_at
from qtap.capture.prologue import stack_arguments
from qtap.capture.references import Functions, has_string

_READ, _WRITE, _PEEK = "ssl_read_internal", "ssl_write_internal", "ssl_peek_internal"
_NEW = "SSL_new"
_PUBLIC = {_READ: "SSL_read", _WRITE: "SSL_write", _PEEK: "SSL_peek"}
"""Each passes the place of a count on its stack to the internal one."""
_ENTRIES = {1: "ssl_enter_4", 8: "ssl_enter_5"}
"""By the register in which the place for the byte count is passed: rcx, or r8 since 3.3, when flags came before it."""
_CODE = 256
_OTHERS = {
    b"BoringSSL": "BoringSSL",
    b"AWS-LC FIPS": "AWS-LC",
    b"AWS-LC ": "AWS-LC",
    b"LibreSSL ": "LibreSSL",
    b"OpenSSL 1.": "OpenSSL 1",
    b"OpenSSL 3.": "OpenSSL 3",
}
_EVIDENCE = (b"ssl_lib.c", b"ssl_write_internal", b"ssl/s3_both.cc", b"SSL negotiation finished successfully")
"""One of them is in every build of libssl; libcrypto alone carries no plaintext."""


def stripped_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of an OpenSSL 3 without symbols; none where they are not sure; raises ElfError."""
    if elf.machine != X86_64 or not has_string(elf, b"ssl_read_internal\0"):
        return []
    functions = Functions(elf)
    found = functions.naming((*_PUBLIC, *_PUBLIC.values(), _NEW))
    calls = {
        internal: _calls(elf, found.get(public, set()), found.get(internal, set())) for internal, public in _PUBLIC.items()
    }
    read, write, peek = (calls[internal] for internal in _PUBLIC)
    if read is None or write is None:
        return []
    points = [
        point_at(elf, _READ, read[0], _ENTRIES[read[1]], "ssl_leave_read"),
        point_at(elf, _WRITE, write[0], _ENTRIES[write[1]], "ssl_leave_write"),
    ]
    points += [point_at(elf, _PEEK, peek[0], "ssl_enter_silent", "ssl_leave_silent")] if peek else []
    makes = [start for start in found.get(_NEW, ()) if functions.is_whole(start)]
    points += [point_at(elf, _NEW, makes[0], "", "new_ssl")] if len(makes) == 1 else []
    return points + unnamed_bio_points(elf, twins=True)


def _calls(elf: Elf, callers: set[int], callees: set[int]) -> tuple[int, int] | None:
    """Give the one function that one of `callers` calls, and the register of the place for its count; None when not sure."""
    pairs = [(callee, _count_register(elf, caller, callee)) for callee in callees for caller in callers]
    sure = [pair for pair in pairs if pair[1] in _ENTRIES]
    return sure[0] if len(callees) == len(sure) == 1 else None


def _count_register(elf: Elf, public: int, internal: int) -> int:
    """Give the register in which `public` passes the place for the byte count to `internal`; -1 when that is not sure."""
    offset = elf.offset_of(public)
    code = elf.read(offset, min(_CODE, elf.size - offset))
    places = stack_arguments(code, public, internal) or set()
    return places.pop() if len(places) == 1 else -1


def why_unseen(elf: Elf) -> str:
    """Say which TLS library of OpenSSL's kind a file without probe points carries; empty when none shows; raises ElfError."""
    if not any(has_string(elf, text) for text in _EVIDENCE):
        return ""
    name = next((name for text, name in _OTHERS.items() if has_string(elf, text)), "")
    if not name:
        return ""
    return (
        f"it carries {name} without symbols, whose functions cannot be told for sure; only the other end can show its requests"
    )

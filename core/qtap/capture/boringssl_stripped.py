"""BoringSSL in a file without symbols: where its functions can be told for sure.

It reports an error by a number and the line of a source file, `OPENSSL_PUT_ERROR(SSL, reason)`. The lines differ from build to
build; the numbers never change (include/openssl/ssl.h), and neither does which of them SSL_write and SSL_read report
(ssl/ssl_lib.cc). AWS-LC, which descends from it, is found alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from qtap.capture.bio import unnamed_bio_points
from qtap.capture.elf import X86_64, Elf
from qtap.capture.probe import ProbePoint, point_at
from qtap.capture.references import Functions, callees, constants
from qtap.capture.x86 import Instruction, instructions

_SOURCE = b"ssl_lib.cc"
_NOT_CALLED_FOR, _SHAKES_HANDS = 66, {215, 226}
"""ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, which a handle of QUIC gives; SSL_R_SSL_HANDSHAKE_FAILURE and SSL_R_UNINITIALIZED, which
SSL_write and ssl_read_impl report and nothing else does."""
_NO_CONTEXT = 185
"""SSL_R_NULL_SSL_CTX, which SSL_new alone reports."""
_EDX = 2
"""Of the third argument."""
_STORES = frozenset((0x01, 0x29, 0x89, 0x0F11, 0x0F29, 0x0F7F))
"""add, sub and mov into memory, from general and from vector registers."""
_STACK, _FRAME = 4, 5
"""rsp, which an index byte names, and rbp, as bases of an address."""


def boringssl_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a BoringSSL without symbols; none where they are not sure; raises ElfError."""
    functions = Functions(elf)
    codes = functions.of_source(_SOURCE) if elf.machine == X86_64 else {}
    reasons = {start: constants(code, _EDX) for start, code in codes.items()}
    writes = [start for start, given in reasons.items() if given >= {*_SHAKES_HANDS, _NOT_CALLED_FOR}]
    reads = _reads(codes, reasons)
    makes = [start for start, given in reasons.items() if _NO_CONTEXT in given]
    if not len(writes) == len(reads) == len(makes) == 1 or not all(map(functions.is_whole, [*writes, *makes])):
        return []
    return [
        point_at(elf, "SSL_read", reads[0], "ssl_enter", "ssl_leave_read"),
        point_at(elf, "SSL_write", writes[0], "ssl_enter", "ssl_leave_write"),
        point_at(elf, "SSL_new", makes[0], "", "new_ssl"),
        *unnamed_bio_points(elf, twins=False),
    ]


def _reads(codes: Mapping[int, bytes], reasons: Mapping[int, set[int]]) -> list[int]:
    """Give what may be SSL_read: it calls ssl_read_impl, refuses QUIC, and moves past what was read, as SSL_peek does not."""
    shared = [start for start, given in reasons.items() if given >= _SHAKES_HANDS and _NOT_CALLED_FOR not in given]
    if len(shared) != 1:
        return []
    callers = [start for start, code in codes.items() if shared[0] in callees(start, code)]
    return [start for start in callers if _NOT_CALLED_FOR in reasons[start] and _stores_any(codes[start])]


def _stores_any(code: bytes) -> bool:
    return any(_stores(instruction, code[at : at + instruction.length]) for at, instruction in instructions(code))


def _stores(instruction: Instruction, code: bytes) -> bool:
    """Tell whether an instruction writes to memory that is not the stack."""
    mode, base = instruction.modrm >> 6, instruction.modrm & 7
    if instruction.opcode not in _STORES or mode not in (1, 2) or base == _STACK:
        return False
    at = len(instruction.prefixes) + bool(instruction.rex) + 2 + (instruction.opcode > 0xFF)  # noqa: PLR2004 - two bytes long
    displacement = int.from_bytes(code[at : at + (1 if mode == 1 else 4)], "little", signed=True)
    return base != _FRAME or bool(instruction.rex & 1) or displacement > 0

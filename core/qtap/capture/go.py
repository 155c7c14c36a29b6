"""Go's crypto/tls, 1.17 to 1.27, which programs carry in their own file, mostly without symbols.

The Go runtime needs names and places of all functions, so they can be found in any binary. What is found is believed only where
the code begins as the compiler begins a function: a check for room on the stack, `cmp 0x10(%r14), %rsp` and `jbe`. The check is
also proof of the calling convention since 1.17, which the kernel's programs rely on, and what follows it is cheap to probe: a
push, or else the jump itself.

A read's end is seen in the function that Read defers, which costs 0.4 us where each of its `ret` instructions would cost 10 to
14 in a virtual machine (they are single-stepped). Only programs built with the race detector or without optimization call it
elsewhere, and have probes on every `ret`.
"""

from __future__ import annotations

import itertools
import re

from qtap.capture.elf import X86_64, Elf, ElfError
from qtap.capture.pclntab import GoFunction, GoTable, go_table
from qtap.capture.probe import ProbePoint, TlsLibrary
from qtap.capture.x86 import CodeError, decode

_PREFIX = "crypto/tls.(*Conn)."
_DEFERRED = re.compile(r"Read[.·](func1|deferwrap1|dwrap[.·]\d+)")
_ENTRIES = {
    "writeRecordLocked": "go_write_record",
    "clientHandshake": "go_handshake",
    "serverHandshake": "go_handshake",
    "Close": "go_close",
}
_PROLOGUE = re.compile(
    rb"(?:\x4c\x8d\x64\x24.|\x4c\x8d\xa4\x24.{4})?"  # lea -frame(%rsp), %r12
    rb"(?:\x49\x3b\x66\x10|\x4d\x3b\x66\x10)"  # cmp 0x10(%r14), %rsp or %r12
    rb"(?P<jump>\x76.|\x0f\x86.{4})(?P<push>\x55)?",  # jbe; push %rbp
    re.DOTALL,
)
_LOAD = re.compile(rb"\x48\x8b(?:\x44\x24.|\x84\x24.{4})", re.DOTALL)
"""mov displacement(%rsp), %rax"""
_CALL_RAX = re.compile(rb"\xff\xd0")
"""What only looks like one, within another instruction, costs a program its cheap probe, and it needs bad luck."""
_RET = 0xC3
_PROLOGUE_LENGTH = 24
_CODE_LIMIT = 1 << 16
_SEARCH = 1 << 20
"""How far behind the start of the code section Go's own may begin: the C compiler's start-up code comes first."""
_ALIGNMENT = 16


def probe_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a Go program, none when it has no crypto/tls; raises ElfError."""
    if elf.machine != X86_64:
        return []
    table = go_table(elf, _PREFIX, lambda name: name == "Read" or name in _ENTRIES or _DEFERRED.fullmatch(name))
    functions = {function.name.removeprefix(_PREFIX): function for function in table.functions}
    if "Read" not in functions or "writeRecordLocked" not in functions:
        return []
    code = _Code(elf, table)
    deferred = [function for name, function in functions.items() if _DEFERRED.fullmatch(name)]
    points = _read_ends(code, functions["Read"], deferred)
    return points + [code.entry(functions[name], program) for name, program in _ENTRIES.items() if name in functions]


class _Code:
    """A program's code, once it is known where the functions of the table lie in it."""

    def __init__(self, elf: Elf, table: GoTable) -> None:
        self._elf = elf
        section = next((section for section in elf.sections if section.name == ".text"), None)
        if section is None:
            raise ElfError(f"{elf.path!r} has no section of code")
        starts = itertools.chain((table.text,), range(section.address, section.address + _SEARCH, _ALIGNMENT))
        self._text = next((start for start in starts if self._begins_at(start, table)), -1)
        if self._text < 0:
            raise ElfError(f"{elf.path!r} has Go's crypto/tls in a form unknown here, as before Go 1.17")

    def _begins_at(self, text: int, table: GoTable) -> bool:
        return all(self._prologue(text + function.start) for function in table.functions)

    def _prologue(self, address: int) -> re.Match[bytes] | None:
        try:
            at = self._elf.offset_of(address)
        except ElfError:
            return None
        return _PROLOGUE.match(self._elf.read(at, min(_PROLOGUE_LENGTH, self._elf.size - at)))

    def entry(self, function: GoFunction, program: str) -> ProbePoint:
        """Put a probe behind the check for room on the stack."""
        prologue = self._prologue(self._text + function.start)
        assert prologue is not None  # the start was taken because of it
        at = prologue.start("push") if prologue["push"] else prologue.start("jump")
        return ProbePoint(function.name, self.offset(function) + at, program)

    def offset(self, function: GoFunction) -> int:
        """Give where a function begins in the file."""
        return self._elf.offset_of(self._text + function.start)

    def of(self, function: GoFunction) -> bytes:
        """Give a function's instructions."""
        at = self.offset(function)
        return self._elf.read(at, min(function.end - function.start, _CODE_LIMIT, self._elf.size - at))


def _read_ends(code: _Code, read: GoFunction, deferred: list[GoFunction]) -> list[ProbePoint]:
    body = code.of(read)
    # The kernel's program reads the load behind the call that it comes from, so each call must have one.
    calls = [call.end() for call in _CALL_RAX.finditer(body)]
    if len(deferred) == 1 and calls and all(_LOAD.match(body, at) for at in calls):
        return [code.entry(deferred[0], "go_read_unlocks")]
    return [ProbePoint(read.name, code.offset(read) + at, "go_read_returns", cheap=False) for at in returns(body)]


def returns(body: bytes) -> list[int]:
    """Give where each `ret` of a function begins; raises ElfError."""
    found, at = [], 0
    while at < len(body):
        try:
            instruction = decode(body, at)
        except CodeError as error:
            raise ElfError(f"Go's crypto/tls.(*Conn).Read cannot be decoded: {error}") from None
        if instruction.opcode == _RET:
            found.append(at)
        at += instruction.length
    return found


GO = TlsLibrary(name="go", in_executables=True, probe_points=probe_points)

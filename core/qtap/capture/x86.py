"""Lengths and a few meanings of x86-64 instructions, enough to walk the first lines of a compiled C function.

Opcode maps: Intel SDM volume 2, appendix A. VEX and EVEX instructions are refused: such lines have none. All other 810 000
instructions of Debian 12's libssl, libc and the first of node get the length that objdump gives them.
"""

# ruff: noqa: PLR2004  (opcodes are numbers; tables and comments name them)

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
_MAX_LENGTH = 15


class CodeError(ValueError):
    """Bytes that are no instruction known here, or code that ends inside one."""


class Instruction(NamedTuple):
    """One decoded instruction."""

    length: int
    opcode: int
    """One byte, or 0x0fXX, 0x0f38XX, 0x0f3aXX."""
    modrm: int
    """The byte after the opcode that names the operands; -1 when there is none."""
    rex: int
    """The REX prefix; 0 when there is none."""
    prefixes: bytes
    relative: int
    """For a relative jump or call, its distance from the next instruction; else 0."""

    @property
    def register(self) -> int:
        """Number of the register in the operand field `reg`, 0 (rax) to 15."""
        return self.modrm >> 3 & 7 | (self.rex & 4) << 1

    @property
    def destination(self) -> int:
        """Number of the register in the operand field `r/m`; -1 when that is memory."""
        return self.modrm & 7 | (self.rex & 1) << 3 if self.modrm >= 0xC0 else -1  # two bits set: register form


def _operands() -> tuple[dict[int, str], set[int]]:
    """Build the one-byte map and the set of two-byte opcodes without operand byte.

    Letters: m operand byte, b/w/z immediate of 1/2/4 bytes (z: 2 after a 66 prefix), v as z but 8 after REX.W, o address of 8
    bytes, r relative distance of 1 byte, R of 4.
    """
    one = dict.fromkeys(range(0x50, 0x60), "")
    for row in range(0, 0x40, 8):
        one |= {row: "m", row + 1: "m", row + 2: "m", row + 3: "m", row + 4: "b", row + 5: "z"}
    one |= {0x63: "m", 0x68: "z", 0x69: "mz", 0x6A: "b", 0x6B: "mb", **dict.fromkeys(range(0x6C, 0x70), "")}
    one |= dict.fromkeys(range(0x70, 0x80), "r") | {0x80: "mb", 0x81: "mz", 0x83: "mb"} | dict.fromkeys(range(0x84, 0x90), "m")
    one |= dict.fromkeys((*range(0x90, 0x9A), *range(0x9B, 0xA0)), "") | dict.fromkeys(range(0xA0, 0xA4), "o")
    one |= dict.fromkeys((*range(0xA4, 0xA8), *range(0xAA, 0xB0)), "") | {0xA8: "b", 0xA9: "z"}
    one |= dict.fromkeys(range(0xB0, 0xB8), "b") | dict.fromkeys(range(0xB8, 0xC0), "v")
    one |= {0xC0: "mb", 0xC1: "mb", 0xC2: "w", 0xC3: "", 0xC6: "mb", 0xC7: "mz", 0xC8: "wb", 0xC9: "", 0xCA: "w", 0xCB: ""}
    one |= {0xCC: "", 0xCD: "b", 0xCF: "", 0xD7: ""} | dict.fromkeys((*range(0xD0, 0xD4), *range(0xD8, 0xE0)), "m")
    one |= dict.fromkeys(range(0xE0, 0xE4), "r") | dict.fromkeys(range(0xE4, 0xE8), "b") | {0xE8: "R", 0xE9: "R", 0xEB: "r"}
    one |= dict.fromkeys((*range(0xEC, 0xF0), 0xF1, 0xF4, 0xF5, *range(0xF8, 0xFE)), "")
    one |= {0xF6: "m", 0xF7: "m", 0xFE: "m", 0xFF: "m"}
    bare = {
        0x05,
        0x06,
        0x07,
        0x08,
        0x09,
        0x0B,
        0x77,
        0xA0,
        0xA1,
        0xA2,
        0xA8,
        0xA9,
        0xAA,
        *range(0x30, 0x38),
        *range(0xC8, 0xD0),
    }
    return one, bare


_ONE_BYTE, _TWO_BYTE_BARE = _operands()
_TWO_BYTE_IMMEDIATE = frozenset((0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6))
_TWO_BYTE_UNKNOWN = frozenset((0x04, 0x0A, 0x0C, 0x0E, 0x0F, 0x24, 0x25, 0x26, 0x27, 0x36, *range(0x39, 0x40), 0x7A, 0x7B))


def decode(code: bytes, at: int = 0) -> Instruction:
    """Decode the instruction at `code[at]`; raises CodeError."""
    try:
        return _decode(code, at)
    except IndexError:
        raise CodeError(f"the code ends inside the instruction at {at:#x}") from None


def instructions(code: bytes) -> Iterator[tuple[int, Instruction]]:
    """Give each instruction of `code` and where it begins, up to the end or to what is no instruction known here."""
    at = 0
    while at < len(code):
        try:
            instruction = decode(code, at)
        except CodeError:
            return
        yield at, instruction
        at += instruction.length


def _decode(code: bytes, start: int) -> Instruction:
    at = start
    while code[at] in _PREFIXES:
        at += 1
    prefixes = code[start:at]
    rex = code[at] if code[at] & 0xF0 == 0x40 else 0  # the sixteen REX prefixes
    at += 1 if rex else 0
    opcode, form, at = _opcode(code, at)
    modrm = code[at] if "m" in form else -1
    if modrm >= 0:
        if opcode in (0xF6, 0xF7) and not modrm & 0x30:  # test: the one operation of its group with an immediate
            form += "b" if opcode == 0xF6 else "z"
        at += _address_length(code, at, modrm)
    size = sum(_immediate(letter, prefixes, rex) for letter in form)
    end = at + size
    if end > len(code) or end - start > _MAX_LENGTH:
        raise CodeError(f"the code ends inside the instruction at {start:#x}")
    relative = int.from_bytes(code[at:end], "little", signed=True) if form in ("r", "R") else 0
    return Instruction(end - start, opcode, modrm, rex, prefixes, relative)


def _opcode(code: bytes, at: int) -> tuple[int, str, int]:
    """Give the opcode, the letters of what follows, and where that begins."""
    first = code[at]
    if first != 0x0F:  # the escape to the longer maps
        form = _ONE_BYTE.get(first)
        if form is None:
            raise CodeError(f"{first:#04x} is no instruction known here")
        return first, form, at + 1
    second = code[at + 1]
    if second in (0x38, 0x3A):
        return 0x0F0000 | second << 8 | code[at + 2], "mb" if second == 0x3A else "m", at + 3
    if second in _TWO_BYTE_UNKNOWN:
        raise CodeError(f"0x0f{second:02x} is no instruction known here")
    if second & 0xF0 == 0x80:  # conditional jumps
        return 0x0F00 | second, "R", at + 2
    form = "" if second in _TWO_BYTE_BARE else "mb" if second in _TWO_BYTE_IMMEDIATE else "m"
    return 0x0F00 | second, form, at + 2


def _address_length(code: bytes, at: int, modrm: int) -> int:
    """Give the bytes of the operand byte with its index byte and displacement."""
    mode, base = modrm >> 6, modrm & 7
    if mode == 3:  # a register
        return 1
    length = 1
    if base == 4:  # an index byte follows
        base = code[at + 1] & 7
        length = 2
    if mode == 0:
        return length + (4 if base == 5 else 0)  # no base register, or relative to the next instruction
    return length + (1 if mode == 1 else 4)


def _immediate(letter: str, prefixes: bytes, rex: int) -> int:
    if letter == "v" and rex & 8:
        return 8
    if letter in "zv":
        return 2 if 0x66 in prefixes and not rex & 8 else 4  # the operand-size prefix
    if letter == "o":
        return 4 if 0x67 in prefixes else 8  # the address-size prefix
    return {"m": 0, "b": 1, "w": 2, "r": 1, "R": 4}[letter]

"""BPF instructions as the kernel reads them (include/uapi/linux/bpf.h), and what is changed in them before they are loaded."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_IMMEDIATE, _JUMP, _CALL, _EXIT = 0x18, 0x05, 0x85, 0x95
_MOVES = (0xB7, 0xB4)
_JUMP_CLASSES = (5, 6)
"""BPF_JMP and BPF_JMP32."""
_MAP = 1
"""BPF_PSEUDO_MAP_FD, in the upper half of the registers' byte."""
_NO_JUMP = _INSTRUCTION.pack(_JUMP, 0, 0, 0)

_Instruction = tuple[int, int, int, int]
"""Operation, registers, offset, immediate."""


def renumber_maps(code: bytes, numbers: Mapping[int, int]) -> bytes:
    """Put `numbers[n]` wherever `code` refers to the map `n`: an index, or the descriptor that the kernel asks for."""
    out = bytearray(code)
    at = 0
    while at < len(code):
        op, registers, offset, value = _INSTRUCTION.unpack_from(code, at)
        if op == _LOAD_IMMEDIATE and registers >> 4 == _MAP:
            _INSTRUCTION.pack_into(out, at, op, registers, offset, numbers[value])
        at += 16 if op == _LOAD_IMMEDIATE else 8
    return bytes(out)


def put_constant(code: bytes, mark: int, value: int) -> bytes:
    """Put `value` wherever `code` loads the number `mark` into a register (BPF_ALU64 or BPF_ALU, BPF_MOV, BPF_K)."""
    out = bytearray(code)
    for at, (op, registers, offset, number) in enumerate(_INSTRUCTION.iter_unpack(code)):
        if op in _MOVES and number == mark:
            _INSTRUCTION.pack_into(out, at * _INSTRUCTION.size, op, registers, offset, value)
    return bytes(out)


def let_loops_begin_by_jumps(code: bytes) -> bytes:
    """Put a jump of no distance wherever a loop's last instruction falls through to its first.

    Before Linux 6.2 the verifier takes a way back only when it is a jump (push_insn of check_cfg), and the compiler lays some
    loops out otherwise. The kernel drops such jumps after it has looked at them (opt_remove_nops).
    """
    instructions = list(_INSTRUCTION.iter_unpack(code))
    behind = sorted(_falls_back(instructions))
    if not behind:
        return code
    moved = _new_places(len(instructions), behind)
    out = bytearray()
    for at, (op, registers, offset, value) in enumerate(instructions):
        if _jumps(op):
            offset = moved[at + 1 + offset] - moved[at] - 1
        out += _INSTRUCTION.pack(op, registers, offset, value)
        if at in behind:
            out += _NO_JUMP
    return bytes(out)


def _new_places(count: int, behind: list[int]) -> list[int]:
    """Say where each instruction comes to lie when there is one more behind each of `behind`."""
    places, shift, waiting = [], 0, set(behind)
    for at in range(count):
        places.append(at + shift)
        shift += at in waiting
    return places


def _jumps(op: int) -> bool:
    return op & 7 in _JUMP_CLASSES and op not in (_CALL, _EXIT)


def _falls_back(instructions: list[_Instruction]) -> set[int]:
    """Find what leads back and is no jump, in the kernel's order: depth first, straight on before the jump."""
    entered, left, found = {0}, set[int](), set[int]()
    ways = [(0, iter(_ways(instructions, 0)))]
    while ways:
        at, onward = ways[-1]
        following = next(onward, None)
        if following is None:
            left.add(at)
            ways.pop()
        elif following not in entered:
            entered.add(following)
            ways.append((following, iter(_ways(instructions, following))))
        elif following not in left and not _jumps(instructions[at][0]):
            found.add(following - 1)
    return found


def _ways(instructions: list[_Instruction], at: int) -> list[int]:
    op, _, offset, _ = instructions[at]
    if op == _EXIT:
        return []
    if op == _JUMP:
        return [at + 1 + offset]
    straight = at + (2 if op == _LOAD_IMMEDIATE else 1)
    return [straight, at + 1 + offset] if _jumps(op) else [straight]

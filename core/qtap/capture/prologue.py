"""Where in the first lines of a compiled function a uprobe is cheap, and which function they call.

The kernel emulates a few instructions under a uprobe and single-steps the others (arch/x86/kernel/uprobes.c,
branch_setup_xol_ops and push_setup_xol_ops, Linux 5.10 to 6.18). In a virtual machine one hit costs 0.4 us emulated and 10 to
14 us single-stepped, so a probe is worth moving past a few instructions that leave the arguments alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from qtap.capture.x86 import Instruction, instructions

_PUSH = range(0x50, 0x58)
_CALL, _JUMP, _JUMP_SHORT, _NOP = 0xE8, 0xE9, 0xEB, 0x90
_BRANCHES = frozenset((_CALL, _JUMP, _JUMP_SHORT, *range(0x70, 0x80), *range(0x0F80, 0x0F90)))
_ENDS = frozenset((_JUMP, _JUMP_SHORT, 0xC2, 0xC3, 0xCC, 0x0F0B))
_COMPARES = frozenset((0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x84, 0x85, 0xA8, 0xA9))
_IMMEDIATE_GROUP = (0x80, 0x81, 0x83)
_GROUP_SUB, _GROUP_CMP = 5, 7
_HINT_NOPS = (0x0F1E, 0x0F1F)  # endbr64 is one of the first
_RET, _LEA, _MOVE_TO_EAX, _MOVE_SIGNED = 0xC3, 0x8D, 0xB8, 0xC7
_RAX_RELATIVE, _RAX = 0x05, 0xC0
"""Operand bytes: rax from an address relative to the next instruction; rax itself."""
_FRAME = frozenset((0x55, 0x5D, 0x89))  # push and pop rbp, mov rbp, rsp
_MOVE, _STACK_BASE = 0x89, 0x24
"""The second is an index byte: no index, base rsp."""
_STACK_POINTER = 4
_KEPT = frozenset((1, 2, _STACK_POINTER, 6, 7, 8, 9))
"""rcx, rdx, rsp, rsi, rdi, r8, r9: the arguments and the place of the return address (System V psABI x86-64, 3.2.3)."""
_ARGUMENTS = frozenset((1, 2, 6, 7, 8, 9))
_WALK = 24


def cheap_site(code: bytes, *, returns: bool) -> int | None:
    """Give the first instruction of a function, in bytes from its start, that the kernel emulates under a uprobe.

    Only instructions that change neither an argument nor memory are walked over, so a probe there sees what one at the start
    would. With `returns` (a return probe is set there as well) the stack pointer must not have moved either. None when the
    lines hold no such place. `code` is the function's first bytes, 64 or so.
    """
    for at, instruction in islice(instructions(code), _WALK):
        if _is_emulated(instruction):
            return at
        if not (_is_harmless(instruction) or (not returns and _takes_stack(instruction))):
            return None
    return None


def first_call(code: bytes, address: int, accept: Callable[[int], bool]) -> int | None:
    """Give the target of the first direct call, on the straight way through the function at `address`, that `accept` takes.

    Conditional jumps are taken to fall through; the walk ends with the function, an unknown instruction, or `code`.
    """
    for at, instruction in instructions(code):
        target = address + at + instruction.length + instruction.relative
        if instruction.opcode == _CALL and accept(target):
            return target
        if instruction.opcode in _ENDS:
            return None
    return None


def targets(code: bytes, address: int) -> set[int]:
    """Give where the direct calls and jumps of the function at `address` lead; nothing when its code is not understood."""
    found, end = set(), 0
    for at, instruction in instructions(code):
        end = at + instruction.length
        if instruction.opcode in _BRANCHES:
            found.add(address + end + instruction.relative)
    return found if end >= len(code) else set()


def stack_arguments(code: bytes, address: int, callee: int) -> set[int] | None:
    """Give the argument registers that hold an address on the stack when the function at `address` calls `callee`.

    The way there is that of `first_call`; None when it does not lead there.
    """
    found: set[int] = set()
    for at, instruction in instructions(code):
        end = at + instruction.length
        if instruction.opcode == _CALL and address + end + instruction.relative == callee:
            return found & _ARGUMENTS
        if instruction.opcode in _ENDS:
            return None
        written = _written(instruction)
        (found.add if _takes_stack_address(instruction, code[at:end]) else found.discard)(written)
    return None


def returned_address(code: bytes, address: int) -> int | None:
    """Give the constant that the function at `address` returns, when it does nothing else."""
    found = None
    for at, instruction in instructions(code):
        end = at + instruction.length
        operand = int.from_bytes(code[end - 4 : end], "little", signed=True)
        if instruction.opcode == _RET:
            return found
        if instruction.opcode == _LEA and instruction.modrm == _RAX_RELATIVE:
            found = address + end + operand
        elif instruction.opcode == _MOVE_TO_EAX or (instruction.opcode == _MOVE_SIGNED and instruction.modrm == _RAX):
            found = operand
        elif not (instruction.opcode in _FRAME or instruction.opcode in _HINT_NOPS):
            return None
    return None


def _takes_stack_address(instruction: Instruction, code: bytes) -> bool:
    """Tell `lea n(%rsp), register` and `mov %rsp, register`."""
    if instruction.opcode == _LEA:
        # Only then an index byte follows.
        indexed = instruction.modrm < 0xC0 and instruction.modrm & 7 == _STACK_POINTER  # noqa: PLR2004
        return indexed and code[len(instruction.prefixes) + bool(instruction.rex) + 2] == _STACK_BASE
    return instruction.opcode == _MOVE and instruction.register == _STACK_POINTER


def _written(instruction: Instruction) -> int:
    """Give the register that a move, load or clearing writes; -1 for others."""
    opcode = instruction.opcode
    if opcode in (0x63, 0x8B, _LEA):
        return instruction.register
    if opcode in (0x31, _MOVE):
        return instruction.destination
    return opcode & 7 | (instruction.rex & 1) << 3 if opcode in range(0xB8, 0xC0) else -1


def _is_emulated(instruction: Instruction) -> bool:
    if instruction.prefixes:
        return False
    if instruction.opcode in _PUSH:
        return instruction.rex in (0, 0x41)
    return not instruction.rex and (instruction.opcode in _BRANCHES or instruction.opcode == _NOP)


def _is_harmless(instruction: Instruction) -> bool:
    """Tell whether an instruction changes flags and scratch registers only."""
    opcode = instruction.opcode
    if opcode in _COMPARES or opcode in _HINT_NOPS or opcode == _NOP:
        return True
    if opcode in _IMMEDIATE_GROUP:
        return instruction.register & 7 == _GROUP_CMP
    if opcode in (0x63, 0x8B, 0x8D):  # load or address into a register
        return instruction.register not in _KEPT
    if opcode in (0x31, 0x89):  # xor and move between registers
        return instruction.destination >= 0 and instruction.destination not in _KEPT
    if opcode in range(0xB8, 0xC0):  # constant into a register
        return opcode & 7 | (instruction.rex & 1) << 3 not in _KEPT
    return False


def _takes_stack(instruction: Instruction) -> bool:
    is_sub = instruction.opcode in _IMMEDIATE_GROUP and instruction.register & 7 == _GROUP_SUB
    return is_sub and instruction.destination == _STACK_POINTER

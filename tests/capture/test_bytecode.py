"""The rewrite for older verifiers: no loop is entered by falling into it, and the program does what it did."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.bytecode import let_loops_begin_by_jumps, put_constant

ADD, WIDE, GOTO, IF_LESS, CALL, EXIT = 0x07, 0x18, 0x05, 0xA5, 0x85, 0x95
STEPS = 300

Instruction = tuple[int, int, int, int]


def program(*instructions: Instruction) -> bytes:
    return b"".join(struct.pack("<BBhi", *instruction) for instruction in instructions)


def sums(code: bytes) -> list[int]:
    """Run a program whose one register only counts: what was added, in order, with the immediates of wide loads."""
    instructions = list(struct.iter_unpack("<BBhi", code))
    at, total, idle, added = 0, 0, 0, list[int]()
    while instructions[at][0] != EXIT and len(added) < STEPS and idle <= len(instructions):
        op, _, offset, value = instructions[at]
        at, idle = at + 1, idle + 1
        if op == GOTO or (op == IF_LESS and total < value):
            at += offset
        elif op in (ADD, WIDE):
            total += value
            added.append(value)
            idle = 0
            at += op == WIDE
    return added


def test_a_loop_that_is_entered_in_the_middle_comes_to_go_back_by_a_jump() -> None:
    end, wide = (EXIT, 0, 0, 0), (0, 0, 0, 0)
    before = program((GOTO, 0, 1, 0), (ADD, 0, 0, 1), (WIDE, 0, 0, 2), wide, (IF_LESS, 0, -4, 10), end)
    after = program((GOTO, 0, 2, 0), (ADD, 0, 0, 1), (GOTO, 0, 0, 0), (WIDE, 0, 0, 2), wide, (IF_LESS, 0, -5, 10), end)
    assert let_loops_begin_by_jumps(before) == after


def test_a_program_whose_loops_go_back_by_jumps_stays_as_it_is() -> None:
    code = program((ADD, 0, 0, 1), (CALL, 0, 0, 7), (IF_LESS, 0, -3, 10), (EXIT, 0, 0, 0))
    assert let_loops_begin_by_jumps(code) == code


@st.composite
def programs(draw: st.DrawFn) -> bytes:
    """Make a program of counting and jumps to anywhere but into a wide load."""
    kinds = draw(st.lists(st.sampled_from([ADD, WIDE, GOTO, IF_LESS]), min_size=1, max_size=20))
    starts = [sum(2 if kind == WIDE else 1 for kind in kinds[:n]) for n in range(len(kinds) + 1)]
    instructions: list[Instruction] = []
    for kind, start in zip(kinds, starts, strict=False):
        target = draw(st.sampled_from(starts)) - start - 1 if kind in (GOTO, IF_LESS) else 0
        instructions.append((kind, 0, target, draw(st.integers(0, 40))))
        if kind == WIDE:
            instructions.append((0, 0, 0, 0))
    return program(*instructions, (EXIT, 0, 0, 0))


@given(programs())
def test_a_rewritten_program_does_what_it_did_and_needs_no_second_rewrite(code: bytes) -> None:
    rewritten = let_loops_begin_by_jumps(code)
    assert let_loops_begin_by_jumps(rewritten) == rewritten
    assert sums(rewritten) == sums(code)


def test_a_constant_takes_the_place_of_its_mark_where_it_is_loaded_and_nowhere_else() -> None:
    move, compare = struct.pack("<BBhi", 0xB7, 3, 0, 7777), struct.pack("<BBhi", 0x15, 3, 1, 7777)
    put = put_constant(move + compare, 7777, 2)
    assert put == struct.pack("<BBhi", 0xB7, 3, 0, 2) + compare

"""The compiled programs hold nothing that the oldest kernel lacks. `make test-kernels` asks the kernels themselves."""

from __future__ import annotations

import struct

import pytest

from qtap.capture.compiler import PROGRAMS, compiled

pytestmark = pytest.mark.live

ATOMIC = (0xC3, 0xDB)
CALL = 0x85
LAST_HELPER = 155
"""Of Linux 5.10, include/uapi/linux/bpf.h: bpf_redirect_peer."""


def instructions(name: str) -> list[tuple[int, int]]:
    """Give operation and immediate of each instruction."""
    return [(op, value) for op, _, _, value in struct.iter_unpack("<BBhi", compiled().programs[name])]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_calls_only_helpers_of_the_oldest_kernel(name: str) -> None:
    assert [value for op, value in instructions(name) if op == CALL and value > LAST_HELPER] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_adds_atomically_and_does_nothing_else_so(name: str) -> None:
    assert [value for op, value in instructions(name) if op in ATOMIC and value] == []

"""What bpf(2) tells of a program that runs."""

from __future__ import annotations

import mmap
import os
import struct

import pytest

from qtap.capture import bpf

pytestmark = pytest.mark.live

READ_USER = 112
"""bpf_probe_read_user; its number and the instructions are those of include/uapi/linux/bpf.h."""


def instruction(code: int, registers: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, registers, offset, value)


FAULTS = b"".join(
    [
        instruction(0xBF, 0xA1),  # r1 = r10
        instruction(0x07, 1, value=-8),  # r1 -= 8
        instruction(0xB7, 2, value=8),  # r2 = 8
        instruction(0xB7, 3, value=16),  # r3 = an address where nothing is
        instruction(0x85, value=READ_USER),
        instruction(0xB7),  # return 0
        instruction(0x95),
    ]
)


@pytest.mark.skipif(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1), reason="Linux runs it twice before 6.1")
def test_a_program_that_is_not_run_inside_itself_is_counted() -> None:
    """It runs at a page fault in the kernel, and makes one itself."""
    program = bpf.load_program(bpf.PROG_TYPE_RAW_TRACEPOINT, FAULTS, "faults")
    link = bpf.attach_raw_tracepoint(program, "page_fault_kernel")
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as fresh, open("/proc/self/stat", "rb", buffering=0) as file:  # noqa: PTH123
            file.readinto(fresh)
        assert bpf.skipped(program) > 0
    finally:
        os.close(link)
        os.close(program)

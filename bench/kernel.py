"""The BPF programs that the kernel holds, whoever loaded them (bpf(2); struct bpf_prog_info of include/uapi/linux/bpf.h)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from qtap.capture import bpf

_NR_BPF, _GET_NEXT_ID, _GET_FD_BY_ID, _GET_INFO_BY_FD = 321, 11, 13, 15
_INFO = struct.Struct("<II56x16s")
_RETURN_0 = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
_TRACING = {2, 5, 7, 17, 26}
"""BPF_PROG_TYPE_KPROBE (uprobes too), TRACEPOINT, PERF_EVENT, RAW_TRACEPOINT, TRACING."""


class Program(NamedTuple):
    """One loaded program."""

    type: int
    id: int
    name: str

    @property
    def traces(self) -> bool:
        """Whether it hooks what other programs do."""
        return self.type in _TRACING


def programs() -> Iterator[Program]:
    """Give every program that is loaded now."""
    attributes = ctypes.create_string_buffer(12)
    try:
        while True:
            _bpf(_GET_NEXT_ID, attributes)
            found = struct.unpack_from("<II", attributes)[1]
            with contextlib.suppress(FileNotFoundError):  # it may go meanwhile
                yield program(found)
            struct.pack_into("<I", attributes, 0, found)
    except FileNotFoundError:
        return


def program(number: int) -> Program:
    """Give the program with this id; raises FileNotFoundError."""
    fd = _bpf(_GET_FD_BY_ID, struct.pack("<III", number, 0, 0))
    try:
        return _info(fd)
    finally:
        os.close(fd)


def tracers() -> set[int]:
    """Give the ids of the programs that trace."""
    return {program.id for program in programs() if program.traces}


def newest_id() -> int:
    """Give an id above that of every program loaded so far: ids only grow, so two answers tell how many came between."""
    fd = bpf.load_program(bpf.PROG_TYPE_RAW_TRACEPOINT, _RETURN_0, "bench_counter")
    try:
        return _info(fd).id
    finally:
        os.close(fd)


def _info(fd: int) -> Program:
    info = ctypes.create_string_buffer(_INFO.size)
    _bpf(_GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    kind, number, name = _INFO.unpack(info.raw)
    return Program(kind, number, name.partition(b"\0")[0].decode())


def _bpf(command: int, attributes: bytes | ctypes.Array[ctypes.c_char]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(_NR_BPF), ctypes.c_long(command), attributes, ctypes.c_long(len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf(2)")
    return result

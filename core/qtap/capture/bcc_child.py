"""Compile C to BPF bytecode with BCC; run by the system's Python, in a process of its own that ends at once.

Reads JSON {"text", "cflags", "stub", "functions", "nice"} on stdin, writes {"maps": [...], "programs": {name: hex}} on stdout.
This file imports nothing of qtap and runs on any Python 3 that has BCC; descriptors in the bytecode become map numbers.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from typing import Any

INSTRUCTION = struct.Struct("<BBhi")
LOAD_IMMEDIATE = 0x18
MAP_BY_DESCRIPTOR = 1
PR_SET_PDEATHSIG = 1


def tables(lib: Any, module: Any) -> list[dict[str, Any]]:
    """Describe each map: name, kind, sizes and flags as bpf(2) BPF_MAP_CREATE takes them."""
    return [
        {
            "name": lib.bpf_table_name(module, index).decode(),
            "type": lib.bpf_table_type_id(module, index),
            "key": lib.bpf_table_key_size_id(module, index),
            "value": lib.bpf_table_leaf_size_id(module, index),
            "entries": lib.bpf_table_max_entries_id(module, index),
            "flags": lib.bpf_table_flags_id(module, index),
            "fd": lib.bpf_table_fd_id(module, index),
        }
        for index in range(lib.bpf_num_tables(module))
    ]


def number_maps(code: bytes, numbers: dict[int, int]) -> bytes:
    """Replace map descriptors in `code` by their numbers; the ring's placeholder is not among them and stays."""
    out = bytearray(code)
    at = 0
    while at < len(code):
        op, registers, offset, value = INSTRUCTION.unpack_from(code, at)
        if op == LOAD_IMMEDIATE and registers >> 4 == MAP_BY_DESCRIPTOR and value in numbers:
            INSTRUCTION.pack_into(out, at, op, registers, offset, numbers[value])
        at += 16 if op == LOAD_IMMEDIATE else 8
    return bytes(out)


def main() -> None:
    """Compile what stdin asks for."""
    request = json.load(sys.stdin)
    os.nice(request["nice"])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ["BCC_KERNEL_SOURCE"] = request["stub"]
    import bcc  # type: ignore[import-not-found]
    from bcc import lib

    lib.bpf_table_name.restype = ctypes.c_char_p
    program = bcc.BPF(text=request["text"], cflags=request["cflags"])
    maps = tables(lib, program.module)
    numbers = {table.pop("fd"): index for index, table in enumerate(maps)}
    code = {name: number_maps(program.dump_func(name), numbers).hex() for name in request["functions"]}
    json.dump({"maps": maps, "programs": code}, sys.stdout)


main()

"""Whether this kernel takes every program: `python -m tests.kernels.load`, as root, prints a line for each.

Takes a second, 15 under emulation. Exit status 1 when a program is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys

from qtap.capture import bpf
from qtap.capture.compiler import PROGRAMS, compiled
from qtap.capture.engine import Engine
from qtap.capture.verdict import Scope

_LIMIT = 1_000_000
"""BPF_COMPLEXITY_LIMIT_INSNS of the kernel."""
_NR_BPF, _GET_INFO = 321, 15
_VERIFIED_AT = 216
"""Of `verified_insns` (since Linux 5.16) in struct bpf_prog_info, include/uapi/linux/bpf.h."""
_EMPTY = bytes.fromhex("b7000000000000009500000000000000")
"""return 0"""
_load = bpf.load_program


def main() -> None:
    """Load everything as a capture does, but go on where a program is refused."""
    asked: set[str] = set()
    refused = 0

    def load(kind: int, code: bytes, name: str, expected_attach: int = 0) -> int:
        nonlocal refused
        asked.add(name)
        try:
            fd = _load(kind, code, name, expected_attach)
        except (bpf.VerifierError, OSError) as error:
            refused += 1
            print(f"{name}: REFUSED: {error}")
            return _load(kind, _EMPTY, name, expected_attach)
        size = f"{len(code) // 8} instructions"
        print(f"{name}: {size}, {_verified(fd)}")
        return fd

    bpf.load_program = load
    engine = Engine(compiled(), ring_size=1 << 20, scope=Scope("headers"))
    for name in PROGRAMS.keys() - asked:  # loaded when a library asks for them
        with contextlib.suppress(OSError):
            engine.probe("/nonexistent", name, [0], at_return=False)
    assert asked == PROGRAMS.keys()
    print(f"Linux {os.uname().release}: {len(PROGRAMS) - refused} of {len(PROGRAMS)} programs load")
    sys.exit(1 if refused else 0)


def _verified(fd: int) -> str:
    info = ctypes.create_string_buffer(256)
    attribute = ctypes.create_string_buffer(struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    ctypes.CDLL(None).syscall(_NR_BPF, _GET_INFO, attribute, len(attribute))
    (count,) = struct.unpack_from("<I", info, _VERIFIED_AT)
    return f"{count / _LIMIT:.1%} of what the verifier looks at" if count else "accepted"


main()

"""The records of the ring as Python sees them; the layout is that of bpf/record.h."""

from __future__ import annotations

import struct

HEADER = struct.Struct("<5Q5I2H16s16s4B2H")
"""ts sk handle pos opened, tgid seq total off len, local_port remote_port, local remote, type dir layer flags, family level."""
NEWS = struct.Struct("<3Q2I")
"""struct news of bpf/state.h: inode superblock generation, tgid type."""
TIME = struct.Struct("<Q")
"""What every record begins with: CLOCK_MONOTONIC in nanoseconds."""
SIZE = HEADER.size
TYPE_AT = 96
"""Offset of the type byte."""

DATA, CLOSE, EXEC, EXIT, LIBRARY, FORK, HELLO, OTHER, JVM, ROOT, NAMES = range(1, 12)
OUT, IN = 0, 1
FROM_START, UNSEEN, SKIPPED, ENDS_CHUNKED, EOF, SERVER, CLIENT, FILE = 1, 2, 4, 8, 16, 32, 64, 128
LEVELS = {"summary": 0, "headers": 1, "full": 2}
LAYERS = ("", "openssl", "gnutls", "nss", "jsse", "go", "rustls")
"""The name of the probe by the number of its layer."""

COUNTERS = ("ring_full", "bytes_lost", "unreadable", "no_slot", "untold", "untied", "late", "sockets", "handles")
"""Names of the kernel's counters, in the order of enum counter."""

TOTALS = struct.Struct("<3Q")
"""The data of a socket's CLOSE: bytes sent, received, and of those taken out by the process."""

_EXEC_HEAD = struct.Struct("<IIHHI16s")
_ARGS_MAX = 1024


LATE_SIZE = SIZE + TOTALS.size
"""Of struct late in bpf/state.h: a record that found no room in the ring, with room for a CLOSE's data."""


class Exec:
    """What the kernel told of a process that executed a program."""

    __slots__ = ("args", "at", "comm", "exe", "pid", "ppid", "selected", "uid")

    def __init__(self, pid: int, at: int, data: bytes) -> None:
        self.pid = pid
        self.at = at
        self.ppid, self.uid, path_length, args_length, selected, comm = _EXEC_HEAD.unpack_from(data)
        self.selected = bool(selected)
        args = data[_EXEC_HEAD.size : _EXEC_HEAD.size + args_length]
        names = data[_EXEC_HEAD.size + _ARGS_MAX :][:path_length].split(b"\0")
        self.exe = b"/".join(reversed(names)).decode(errors="surrogateescape")
        """From the root of the process; empty when it does not lead there."""
        self.comm = comm.partition(b"\0")[0].decode(errors="replace")
        self.args = [arg.decode(errors="replace") for arg in args.removesuffix(b"\0").split(b"\0")] if args else []

"""The kernel's records of real traffic, kept as the ring held them. Run as a program: FILE; it records until its input ends."""

from __future__ import annotations

import mmap
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qtap.capture import records
from qtap.capture.compiler import compiled
from qtap.capture.engine import Engine
from qtap.capture.probes import Prober
from qtap.capture.verdict import Scope
from qtap.flow.table import is_for_table

_LENGTH = struct.Struct("<I")
_PORTS = struct.Struct("<2H")
_PORTS_AT = 60
"""Of `local_port` in bpf/record.h."""


@contextmanager
def taping(file: Path) -> Iterator[None]:
    """Record what every process but the recording one does, into `file`, complete when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield
    assert process.returncode == 0


def on_tape(file: Path, port: int) -> list[bytes]:
    """Give the records of connections of which one end has this port, and those of no connection, in order."""
    content, at, found = file.read_bytes(), 0, []
    while at < len(content):
        (size,) = _LENGTH.unpack_from(content, at)
        record = content[at + 4 : at + 4 + size]
        ports = _PORTS.unpack_from(record, _PORTS_AT)
        if port in ports or ports == (0, 0):
            found.append(record)
        at += 4 + size
    return found


def _record(file: Path) -> None:
    engine = Engine(compiled(), ring_size=256 << 20, scope=Scope())
    with file.open("wb") as tape:

        def take(pages: mmap.mmap, at: int) -> None:
            if is_for_table(pages, at):
                length = records.HEADER.unpack_from(pages, at)[9]
                tape.write(_LENGTH.pack(records.SIZE + length) + pages[at : at + records.SIZE + length])

        try:
            engine.watch_sockets()
            Prober(engine).attach_known()
            print("ready", flush=True)  # noqa: T201 - the parent waits for it
            sys.stdin.read()
            engine.ring.drain(take)
        finally:
            engine.close()


if __name__ == "__main__":
    _record(Path(sys.argv[1]))

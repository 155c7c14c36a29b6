"""A tape: records of real traffic, kept as the ring held them, to be played into the connection table again."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

from bench.clients import saturate
from bench.server import Server
from qtap.capture import records
from qtap.capture.compiler import compiled
from qtap.capture.engine import Engine
from qtap.capture.probes import Prober
from qtap.capture.verdict import Scope
from qtap.flow.table import is_for_table

_RING = 256 << 20
ENOUGH = 100_000
"""Records kept: 50 000 transactions."""
_PORTS = struct.Struct("<2H")
_PORTS_AT = 60
_LENGTH_AT = 56
"""Of `local_port` and of `len` in bpf/record.h."""


class Tape(NamedTuple):
    """Records one after another in memory, and where each begins."""

    pages: mmap.mmap
    offsets: list[int]


def record(server: Server, transport: str, enough: int = ENOUGH) -> bytes:
    """Keep what the kernel reports of one second of traffic with `server`; the connections' first records are there."""
    engine = Engine(compiled(), ring_size=_RING, scope=Scope())
    ports = {server.tls_port, server.plain_port}
    kept: list[bytes] = []

    def take(pages: mmap.mmap, at: int) -> None:
        if len(kept) < enough and is_for_table(pages, at) and ports & {*_PORTS.unpack_from(pages, at + _PORTS_AT)}:
            kept.append(pages[at : at + _size(pages, at)])

    try:
        engine.watch_sockets()
        Prober(engine).attach_known()
        saturate(server.urls[transport], 1)
        engine.ring.drain(take)
    finally:
        engine.close()
    return b"".join(kept)


def load(content: bytes) -> Tape:
    """Make a tape of what `record` gave; its memory can be written, so that records get new times."""
    pages = mmap.mmap(-1, len(content))
    pages.write(content)
    offsets, at = [], 0
    while at < len(content):
        offsets.append(at)
        at += _size(pages, at)
    return Tape(pages, offsets)


def open_file(path: str) -> Tape:
    """Make a tape of a file."""
    return load(Path(path).read_bytes())


def _size(pages: mmap.mmap, at: int) -> int:
    length: int = struct.unpack_from("<I", pages, at + _LENGTH_AT)[0]
    return records.SIZE + length

"""Identifiers in the xid form: 12 bytes (4 time, 3 machine, 2 process, 3 counter) as 20 characters of base32hex."""

from __future__ import annotations

import itertools
import os
import secrets
from functools import lru_cache

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_MACHINE = secrets.randbits(24)
_PROCESS = os.getpid() & 0xFFFF
_counter = itertools.count(secrets.randbits(23))


def new_xid(at: int) -> str:
    """Make an id for something that happened at `at` (nanoseconds since the epoch); ids of one process never repeat.

    The 96 bits and a padding of 4 zero bits are read as ten 10-bit pairs, so that the text sorts like the bytes. Seven pairs
    change once a second; the last three hold two bits of the process and the counter.
    """
    prefix, low = _prefix(at // 1_000_000_000)
    tail = low | (next(_counter) & 0xFFFFFF) << 4
    return prefix + _PAIRS[tail >> 20] + _PAIRS[tail >> 10 & 0x3FF] + _PAIRS[tail & 0x3FF]


@lru_cache(maxsize=64)
def _prefix(second: int) -> tuple[str, int]:
    """Give the first 14 characters, and the two bits of the process that the rest begins with, in place."""
    value = (second & 0xFFFFFFFF) << 40 | _MACHINE << 16 | _PROCESS
    pairs = value >> 2
    return "".join([_PAIRS[pairs >> shift & 0x3FF] for shift in range(60, -10, -10)]), (value & 3) << 28

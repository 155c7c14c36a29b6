"""Identifiers in the xid form: 12 bytes (4 time, 3 machine, 2 process, 3 counter) as 20 characters of base32hex."""

from __future__ import annotations

import itertools
import os
import secrets

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_MACHINE = secrets.randbits(24)
_counter = itertools.count(secrets.randbits(23))


def new_xid(at: int) -> str:
    """Make an id for something that happened at `at` (nanoseconds since the epoch); ids of one process never repeat.

    The 96 bits and a padding of 4 zero bits are read as ten 10-bit pairs, so that the text sorts like the bytes.
    """
    value = (
        ((at // 1_000_000_000) & 0xFFFFFFFF) << 64 | _MACHINE << 40 | (os.getpid() & 0xFFFF) << 24 | next(_counter) & 0xFFFFFF
    )
    value <<= 4
    return "".join([_PAIRS[value >> shift & 0x3FF] for shift in range(90, -10, -10)])

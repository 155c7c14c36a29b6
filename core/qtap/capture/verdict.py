"""What is captured at all, and what was decided about one process, as bpf/state.h has it."""

from __future__ import annotations

import struct
from typing import NamedTuple

_REFUSED, _ALLOWED, _UNASKED = 0, 1, 3
"""POLICY_DENY, POLICY_ALLOW and POLICY_UNASKED."""
_VERDICT, STANDING = struct.Struct("<3Bx"), struct.Struct("<Q3B5x")
"""struct verdict and struct standing."""


class Verdict(NamedTuple):
    """What was decided about one process."""

    allowed: bool = True
    """It is captured."""
    selected: bool = True
    """It, or what it descends from, is one of those that were selected, whatever becomes of its program."""
    skip: int = 0
    """What is left out of a captured one; SKIP_* of bpf/state.h."""

    def __bytes__(self) -> bytes:
        return _VERDICT.pack(_ALLOWED if self.allowed else _REFUSED, self.selected, self.skip)

    def standing(self) -> bytes:
        """Give what the kernel keeps of a process about which this was decided without being asked."""
        return STANDING.pack(0, _ALLOWED if self.allowed else _REFUSED, self.selected, self.skip)


class Scope(NamedTuple):
    """What is captured at all, of the whole host."""

    level: str = "full"
    selected: bool = False
    """Only processes that are selected, and what they start."""
    filtered: bool = False
    """Programs are decided about, each when it is executed."""
    ignore_loopback: bool = False


def is_captured(standing: bytes) -> bool:
    """Tell whether a process of which the kernel keeps `standing` is captured, or may yet turn out to be."""
    return STANDING.unpack(standing)[1] not in {_REFUSED, _UNASKED}

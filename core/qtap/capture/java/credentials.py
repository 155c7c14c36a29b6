"""Effective user and group of one thread: libc changes those of all threads at once, the kernel only the caller's."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SETRESUID, _SETRESGID = 117, 119
"""Numbers on x86-64."""
_KEEP = -1

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Be this user to those who ask whom they speak with (SO_PEERCRED); this thread only. Raises OSError."""
    before = os.geteuid(), os.getegid()
    try:
        _set(_SETRESGID, gid)
        _set(_SETRESUID, uid)
        yield
    finally:
        _set(_SETRESUID, before[0])
        _set(_SETRESGID, before[1])


def _set(call: int, effective: int) -> None:
    if _libc.syscall(call, _KEEP, effective, _KEEP):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

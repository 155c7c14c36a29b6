"""The BPF ring buffer, read by mmap in batches (kernel/bpf/ringbuf.c; Documentation/bpf/ringbuf.rst).

The programs wake the reader for urgent records only; it looks every few milliseconds. The kernel lets the ring be mapped twice
in a row, so that no record wraps; of the second time as much is mapped as the longest record needs, since every mapped page
counts as this process's memory.
"""

from __future__ import annotations

import mmap
import select
import struct
from collections.abc import Callable

from qtap.capture import bpf

_BUSY = 1 << 31
_DISCARDED = 1 << 30
_LENGTH = _DISCARDED - 1
_OVERLAP = 1 << 17
"""Bytes of the ring's beginning mapped again behind its end; the longest record takes 33 KB (bpf/walk.h)."""
_WORD = struct.Struct("<I")
_RELEASE_EVERY = 1 << 20
"""Bytes after which space is given back during a long drain, so that producers do not find the ring full meanwhile."""


def fitting_size(wanted: int) -> int:
    """Give the power of two, at least one page, that holds `wanted` bytes: the sizes that the kernel takes."""
    size = mmap.PAGESIZE
    while size < wanted:
        size *= 2
    return size


class Ring:
    """One ring buffer map of `size` bytes and this process's view of it."""

    def __init__(self, size: int) -> None:
        self.size = fitting_size(size)
        self.fd = bpf.create_map(bpf.MAP_TYPE_RINGBUF, 0, 0, self.size, name="records")
        page = mmap.PAGESIZE
        self._consumer_page = mmap.mmap(self.fd, page)
        self._pages = mmap.mmap(self.fd, page + self.size + min(self.size, _OVERLAP), prot=mmap.PROT_READ, offset=page)
        self._poll = select.epoll()
        # Edge-triggered: woken by what a program marks, not by every record that waits.
        self._poll.register(self.fd, select.EPOLLIN | select.EPOLLET)
        self._consumer = memoryview(self._consumer_page).cast("Q")
        self._producer = memoryview(self._pages)[:8].cast("Q")

    @property
    def taken(self) -> int:
        """Bytes since the start that `drain` is through with."""
        return self._consumer[0]

    @property
    def given(self) -> int:
        """Bytes since the start that programs have taken for records."""
        return self._producer[0]

    def oldest(self) -> tuple[mmap.mmap, int] | None:
        """Give where the first record lies that `drain` left, as `take` has it; None if none is there and finished."""
        at = self._consumer[0]
        if at >= self._producer[0]:
            return None
        offset = mmap.PAGESIZE + (at & (self.size - 1))
        (length,) = _WORD.unpack_from(self._pages, offset)
        return None if length & (_BUSY | _DISCARDED) else (self._pages, offset + 8)

    def drain(self, take: Callable[[mmap.mmap, int], None], most: int = 1 << 62) -> int:
        """Call `take(pages, offset)` for every finished record, offset being its first byte; give how many there were.

        Those that wait now, and at most `most`. The bytes are valid during the call only.
        """
        pages, mask, base = self._pages, self.size - 1, mmap.PAGESIZE
        unpack = _WORD.unpack_from
        at = released = self._consumer[0]
        end = self._producer[0]
        taken = 0
        while at < end and taken < most:
            offset = base + (at & mask)
            (length,) = unpack(pages, offset)
            if length & _BUSY:
                break
            if not length & _DISCARDED:
                take(pages, offset + 8)
                taken += 1
            at += ((length & _LENGTH) + 15) & ~7
            if at - released > _RELEASE_EVERY:
                self._consumer[0] = released = at
        self._consumer[0] = at
        return taken

    def wait(self, seconds: float) -> None:
        """Sleep that long, or until a record comes that a program marked as urgent."""
        self._poll.poll(seconds, 1)

"""Finding the next frame of an HTTP/2 direction that is out of step: after a loss, or open before capture.

A captured call that begins with frames is waited for, and less than a chain of them that ends where the call does convinces
nobody. Some readers, Go's server among them, take the header of a frame and its payload by two calls, and so never by one that
holds a frame: these two count as one. So do the parts of a call that gathers them from several places in memory, as gRPC's
writes do.
"""

from __future__ import annotations

from typing import Final

from qtap.wire.http2_syntax import SIZE, begins_frame, is_chain

_MOST_PROMISED: Final = 1 << 15
"""Bytes of a call that are held until they are a chain or not."""


class Resync:
    """Looks at one call after another."""

    __slots__ = ("promise",)

    def __init__(self) -> None:
        self.promise = b""
        """What the last call carried so far, when it may be the beginning of frames."""

    def frames(self, data: bytes, boundary: bool) -> bytes:
        """Give the frames that this call begins with, or it and the one before; none when there are no such, or not yet."""
        before, self.promise = self.promise, b""
        if before and (not boundary or len(before) == SIZE) and is_chain(before + data):
            return before + data
        if boundary and is_chain(data):
            return data
        begun = data if boundary else before + data if before else b""
        if len(begun) <= _MOST_PROMISED and begins_frame(begun):
            self.promise = bytes(begun)
        return b""

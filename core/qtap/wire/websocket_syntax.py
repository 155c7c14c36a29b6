"""The form of WebSocket frames (RFC 6455 section 5.2)."""

from __future__ import annotations

from typing import Final, NamedTuple

KINDS: Final = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
"""What the opcodes of messages and control frames mean."""
CONTINUATION: Final = 0
CONTROL: Final = 8
"""This opcode and those above it are control frames, which may stand between the frames of a message (section 5.4)."""
FIN, RSV1, OPCODE, MASKED = 0x80, 0x40, 0x0F, 0x80
_RSV: Final = 0x70
_LENGTH: Final = 0x7F
_MOST_CONTROL: Final = 125
_TWO_BYTES, _EIGHT_BYTES = 126, 127


class Rules(NamedTuple):
    """What frames one side may send, as was agreed."""

    from_client: bool
    """They are masked."""
    deflate: bool
    """permessage-deflate was agreed on (RFC 7692)."""
    opaque: bool
    """Another extension was, which may use every reserved bit."""

    def is_frame(self, header: bytes) -> bool:
        """Tell whether a whole `header` can be a frame's."""
        first, size = header[0], payload_size(header)
        opcode = first & OPCODE
        if opcode and opcode not in KINDS:
            return False
        if not self.opaque and first & _RSV & ~(RSV1 if self.deflate and 0 < opcode < CONTROL else 0):
            return False
        if opcode >= CONTROL and (not first & FIN or size > _MOST_CONTROL):
            return False
        return bool(header[1] & MASKED) == self.from_client and size < 1 << 63

    def is_row(self, data: bytes) -> bool:
        """Tell whether `data` is nothing but whole frames with lengths in the shortest form."""
        pos = 0
        while pos < len(data):
            header = data[pos : pos + 2]
            header = data[pos : pos + header_size(header)]
            if len(header) < header_size(header) or not self.is_frame(header) or not _is_shortest(header):
                return False
            pos += len(header) + payload_size(header)
        return pos == len(data) and pos > 0


def header_size(header: bytes | bytearray) -> int:
    """Give the bytes of the whole header that begins like this."""
    if len(header) < 2:  # noqa: PLR2004 - the part that tells
        return 2
    length = header[1] & _LENGTH
    return 2 + (2 if length == _TWO_BYTES else 8 if length == _EIGHT_BYTES else 0) + (4 if header[1] & MASKED else 0)


def payload_size(header: bytes) -> int:
    """Give the bytes of payload that a whole header announces."""
    length = header[1] & _LENGTH
    if length < _TWO_BYTES:
        return length
    return int.from_bytes(header[2:4] if length == _TWO_BYTES else header[2:10], "big")


def unmask(piece: bytes, mask: bytes, at: int) -> bytes:
    """Undo the masking of the bytes of a payload from position `at` on (section 5.3)."""
    turn, size = at & 3, len(piece)
    key = (mask[turn:] + mask[:turn]) * (size // 4 + 1)
    return (int.from_bytes(piece, "little") ^ int.from_bytes(key[:size], "little")).to_bytes(size, "little")


def _is_shortest(header: bytes) -> bool:
    length, size = header[1] & _LENGTH, payload_size(header)
    return size >= (0, _TWO_BYTES, 1 << 16)[max(length - _TWO_BYTES + 1, 0)]

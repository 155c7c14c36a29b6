"""One direction of a WebSocket connection: frames and the messages they make (RFC 6455 section 5).

In step, the next frame begins where the last one ended. A loss inside a payload is exact. After any other loss a side waits for
a captured call that is a row of whole, well-formed frames, because a frame has no mark of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from qtap.model import WebSocketMessage
from qtap.wire import websocket_syntax as syntax
from qtap.wire.inflate import TAIL, Inflater


class _Partial:
    """A message whose frames are arriving."""

    __slots__ = ("came", "compressed", "faults", "inflated", "kind", "payload", "readable", "wire_size")

    def __init__(self, kind: str, *, compressed: bool = False) -> None:
        self.kind = kind
        self.compressed = compressed
        self.readable = True
        """Further bytes are wanted: nothing is missing before them."""
        self.payload = bytearray()
        self.came = 0
        """Bytes of payload on the wire, lost ones included."""
        self.inflated = 0
        self.wire_size = 0
        self.faults: tuple[str, ...] = ()

    def spoil(self, fault: str) -> None:
        self.readable = False
        if fault not in self.faults:
            self.faults = (*self.faults, fault)


class Side:
    """Reads what one end sends; `tell` is given every message when it is over.

    `limit` is the most bytes kept of one message. `inflater` is given when permessage-deflate was agreed on (RFC 7692),
    `opaque` when another extension was, whose payloads cannot be read.
    """

    __slots__ = (
        "_control",
        "_final",
        "_from_client",
        "_header",
        "_in_step",
        "_inflater",
        "_is_control",
        "_left",
        "_limit",
        "_mask",
        "_masked_at",
        "_message",
        "_opaque",
        "_rules",
        "_tell",
    )

    def __init__(
        self,
        tell: Callable[[WebSocketMessage], None],
        limit: int,
        *,
        from_client: bool,
        inflater: Inflater | None = None,
        opaque: bool = False,
    ) -> None:
        self._tell = tell
        self._limit = limit
        self._from_client = from_client
        self._inflater = inflater
        self._opaque = opaque
        self._rules = syntax.Rules(from_client=from_client, deflate=inflater is not None, opaque=opaque)
        self._in_step = True
        self._header = bytearray()
        """The beginning of a frame header."""
        self._left = 0
        """Bytes of the frame's payload still to come."""
        self._mask = b""
        self._masked_at = 0
        self._final = False
        self._is_control = False
        self._message: _Partial | None = None
        self._control: _Partial | None = None

    @property
    def held(self) -> int:
        """Bytes kept of the messages that are arriving."""
        return sum(len(part.payload) for part in (self._message, self._control) if part is not None)

    def keep(self, limit: int) -> None:
        """Keep at most `limit` bytes of one message from now on."""
        self._limit = limit

    def feed(self, data: bytes, at: int, *, boundary: bool) -> bool:
        """Read `data`; give False when it could not be told what it is."""
        if not self._in_step:
            if not boundary or not self._rules.is_row(data):
                return False
            self._in_step = True
        pos, size = 0, len(data)
        while pos < size:
            pos = self._read_payload(data, pos, at) if self._left else self._read_header(data, pos, at)
            if not self._in_step:
                return False
        return True

    def lose(self, size: int, at: int) -> bool:
        """Go on after `size` missing bytes (below 0: unknown how many); give whether that is exact."""
        if 0 < size <= self._left:
            part = self._frame
            part.spoil("lost")
            part.came += size
            part.wire_size += size
            self._break_inflater(part)
            self._masked_at += size
            self._left -= size
            if not self._left:
                self._end_frame(at)
            return True
        self.stop(at, "lost")
        self._in_step = False
        if self._inflater is not None:
            self._inflater.lose()
        return False

    def stop(self, at: int, fault: str) -> None:
        """End what is arriving, marked with `fault`."""
        self._header.clear()
        self._left = 0
        for part in (self._control, self._message):
            if part is not None:
                part.spoil(fault)
                self._break_inflater(part)
                self._finish(part, at)
        self._control = self._message = None

    @property
    def _frame(self) -> _Partial:
        part = self._control if self._is_control else self._message
        assert part is not None
        return part

    def _read_header(self, data: bytes, pos: int, at: int) -> int:
        header = self._header
        while (wanted := syntax.header_size(header) - len(header)) > 0:
            if pos >= len(data):
                return pos
            header += data[pos : pos + wanted]
            pos = min(pos + wanted, len(data))
        frame = bytes(header)
        header.clear()
        if not self._rules.is_frame(frame):
            self.stop(at, "lost")
            self._in_step = False
            if self._inflater is not None:
                self._inflater.lose()
            return len(data)
        self._begin_frame(frame, at)
        return pos

    def _begin_frame(self, header: bytes, at: int) -> None:
        opcode = header[0] & syntax.OPCODE
        self._final = bool(header[0] & syntax.FIN)
        self._is_control = opcode >= syntax.CONTROL
        self._left = syntax.payload_size(header)
        self._mask = header[-4:] if header[1] & syntax.MASKED else b""
        self._masked_at = 0
        if self._is_control:
            self._control = _Partial(syntax.KINDS[opcode])
        elif opcode != syntax.CONTINUATION:
            self._begin_message(syntax.KINDS[opcode], at, compressed=bool(header[0] & syntax.RSV1))
        elif self._message is None:
            self._message = _Partial("unknown")
            self._message.spoil("lost")
        self._frame.wire_size += len(header)
        if not self._left:
            self._end_frame(at)

    def _begin_message(self, kind: str, at: int, *, compressed: bool) -> None:
        if self._message is not None:
            self._message.spoil("unfinished")
            self._break_inflater(self._message)
            self._finish(self._message, at)
        part = self._message = _Partial(kind, compressed=compressed)
        if self._opaque or (compressed and (self._inflater is None or not self._inflater.begin())):
            part.spoil("unreadable")

    def _read_payload(self, data: bytes, pos: int, at: int) -> int:
        part = self._frame
        end = min(pos + self._left, len(data))
        part.wire_size += end - pos
        part.came += end - pos
        if part.readable:
            self._keep(part, data[pos:end])
        self._masked_at += end - pos
        self._left -= end - pos
        if not self._left:
            self._end_frame(at)
        return end

    def _keep(self, part: _Partial, piece: bytes) -> None:
        room = max(self._limit - len(part.payload), 0)
        if part.compressed:
            self._inflate(part, self._unmasked(piece), room)
        else:
            part.payload += self._unmasked(piece[:room])
            if len(piece) > room:
                part.spoil("cut")

    def _inflate(self, part: _Partial, piece: bytes, room: int) -> None:
        assert self._inflater is not None
        kept, size = self._inflater.inflate(piece, room)
        part.payload += kept
        part.inflated += size
        if not self._inflater.readable:
            part.spoil("unreadable")
        elif size > len(kept) and "cut" not in part.faults:
            part.faults = (*part.faults, "cut")

    def _unmasked(self, piece: bytes) -> bytes:
        return syntax.unmask(piece, self._mask, self._masked_at) if self._mask else piece

    def _end_frame(self, at: int) -> None:
        if self._is_control:
            assert self._control is not None
            self._finish(self._control, at)
            self._control = None
        elif self._final:
            part = self._frame
            if part.compressed and part.readable:
                self._end_deflate(part)
            self._message = None
            self._finish(part, at)

    def _end_deflate(self, part: _Partial) -> None:
        assert self._inflater is not None
        self._inflate(part, TAIL, max(self._limit - len(part.payload), 0))
        self._inflater.end()

    def _finish(self, part: _Partial, at: int) -> None:
        self._tell(
            WebSocketMessage(
                at=at,
                kind=part.kind,
                from_client=self._from_client,
                payload=bytes(part.payload),
                size=part.inflated if part.compressed and part.readable else part.came,
                wire_size=part.wire_size,
                compressed=part.compressed,
                faults=part.faults,
            )
        )

    def _break_inflater(self, part: _Partial) -> None:
        if self._inflater is not None and part.compressed:
            self._inflater.lose()

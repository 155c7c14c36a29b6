"""One HTTP message: the raw bytes that were seen, and header fields parsed when someone asks."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, gc=False):
    """One request or response, possibly still arriving.

    `gc=False` keeps a million of these out of the cycle collector; a Message holds only bytes and integers.
    """

    head: bytes = b""
    """Start line, header lines and the empty line; empty when never seen.

    Of a transaction marked `request_head_unfinished`, the whole lines that had come.

    Of HTTP/1, exactly as on the wire. Of HTTP/2, the start line is made up and the lines are the fields in order, pseudo-header
    fields included (RFC 9113 section 8.3); a field that could not be decoded is named `‹unknown #n›`.
    """
    body: bytes | bytearray = b""
    """After transfer decoding, before content decoding, cut at the body limit. A bytearray while it grows, then bytes."""
    body_size: int = 0
    """Bytes of the whole body so far, counting those beyond the limit and those known to be lost.

    Where the transaction is marked `request_body_size_unknown` or `response_body_size_unknown`, only what was counted.
    """
    trailers: bytes = b""
    """Trailer lines (RFC 9110 section 6.5), of HTTP/1 as on the wire."""
    wire_size: int = 0
    """Bytes on the wire: head, framing and body, lost ones included."""
    first_at: int = 0
    last_at: int = 0
    complete: bool = False

    @property
    def body_missing(self) -> int:
        """Bytes of the body that were seen to exist but are not in `body`."""
        return self.body_size - len(self.body)

    @property
    def start_line(self) -> str:
        """The request or status line, each byte one character (Latin-1)."""
        return self.head.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r").decode("latin-1")

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """Header lines in order, with the case and repetition of the wire; folded lines joined by a space."""
        return split_fields(self.head.lstrip(b"\r\n").partition(b"\n")[2])

    @property
    def trailer_fields(self) -> list[tuple[bytes, bytes]]:
        """Trailer lines, in the form of `fields`."""
        return split_fields(self.trailers)

    def field(self, name: str) -> str:
        """Give the first value of the header called `name` (any letter case), or an empty string."""
        wanted = name.lower().encode("latin-1")
        for key, value in self.fields:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return ""


def split_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """Split header lines (RFC 9112 section 5), leniently: LF or CRLF, folding, space before the colon, any name bytes.

    A line without a colon becomes a field with an empty value, so that no byte of a hostile head is hidden.
    """
    fields: list[tuple[bytes, bytes]] = []
    for line in block.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line:
            continue
        if line[0] in b" \t" and fields:
            name, value = fields[-1]
            fields[-1] = (name, (value + b" " + line.strip()).strip())
            continue
        # The first colon of an HTTP/2 pseudo-header field is part of its name (RFC 9113 section 8.3).
        colon = line.find(b":", 1)
        name, value = (line, b"") if colon < 0 else (line[:colon], line[colon + 1 :])
        fields.append((name.rstrip(), value.strip(b" \t")))
    return fields

"""One request with its response, as one process of this host saw it."""

from __future__ import annotations

import msgspec

from qtap.model.connection import Connection
from qtap.model.message import Message
from qtap.model.websocket import WebSocket


class Transaction(msgspec.Struct, gc=False):
    """One HTTP request and its response; live until `finished`.

    The reader thread fills it in place while the screen reads it; every field is replaced whole, so a reader sees the old or
    the new value and never a torn one. `gc=False`: it refers to Connection and Message only, which never refer back.
    """

    id: str
    """An xid: 20 characters of base32hex, sortable by time."""
    connection: Connection
    protocol: str = "http1"
    """`http1`, `http2` or `grpc`, which is HTTP/2 too."""
    method: str = ""
    """As on the wire, any letter case; empty when it was never seen."""
    target: str = ""
    """The request target as on the wire (RFC 9112 section 3.2), Latin-1."""
    status: int = 0
    """0 until a status line was seen."""
    request: Message = msgspec.field(default_factory=Message)
    response: Message = msgspec.field(default_factory=Message)
    informational: tuple[bytes, ...] = ()
    """Raw heads of 1xx responses, in order."""
    incomplete: tuple[str, ...] = ()
    """Reasons in words of spec cli.md, for example `response_body_cut`; empty for a whole transaction."""
    peer: str = ""
    """The id of the same exchange seen from the other process on this host, once known."""
    opaque: bool = False
    """The connection turned into a tunnel or another protocol with this response (RFC 9110 sections 7.8, 9.3.6)."""
    finished: bool = False
    stream: int = 0
    """The HTTP/2 stream (RFC 9113 section 5.1.1); 0 in HTTP/1."""
    host: str = ""
    """Host or authority of the request, else SNI, else the server's address."""
    websocket: WebSocket | msgspec.UnsetType = msgspec.UNSET
    """What passed after the connection became a WebSocket; UNSET, which is false, for every other transaction."""

    def mark(self, reason: str) -> None:
        """Add a reason to `incomplete`, once."""
        if reason not in self.incomplete:
            self.incomplete = (*self.incomplete, reason)

    @property
    def scheme(self) -> str:
        """`https` when the plaintext came out of a TLS library, else `http`."""
        return "https" if self.connection.tls else "http"

    @property
    def path(self) -> str:
        """The target's path, without query; the whole target for CONNECT and `*`."""
        return self._split_target()[0]

    @property
    def query(self) -> str:
        """The target's query without `?`; empty when there is none."""
        return self._split_target()[1]

    @property
    def url(self) -> str:
        """Absolute URL with its query (RFC 9112 section 3.3)."""
        target = self.target
        if target.startswith("/"):
            return f"{self.scheme}://{self.host}{target}"
        return target if "://" in target else f"{self.scheme}://{self.host}/"

    @property
    def started_at(self) -> int:
        """When the first byte of the request, or of the response when no request was seen, passed."""
        return self.request.first_at or self.response.first_at

    @property
    def ended_at(self) -> int:
        """When the last byte seen so far passed, or when the connection closed that a response was waited for on."""
        if not self.response.head and "closed_without_response" in self.incomplete:
            return max(self.request.last_at, self.connection.closed_at)
        return max(self.request.last_at, self.response.last_at)

    @property
    def duration(self) -> int:
        """Nanoseconds from the first byte of the request to the last byte seen."""
        return max(self.ended_at - self.started_at, 0)

    @property
    def waiting(self) -> int:
        """Nanoseconds from the end of the request to the first byte of the response; 0 while there is none."""
        if not self.response.first_at or not self.request.last_at:
            return 0
        return max(self.response.first_at - self.request.last_at, 0)

    @property
    def cost(self) -> int:
        """Bytes of memory this transaction holds, to within a few per cent."""
        request, response = self.request, self.response
        held = len(request.head) + len(request.body) + len(response.head) + len(response.body)
        if self.informational:
            held += sum(map(len, self.informational))
        if self.websocket:
            held += self.websocket.cost
        return 1000 + held + len(self.target) + len(request.trailers) + len(response.trailers)

    def _split_target(self) -> tuple[str, str]:
        target = self.target
        if "://" in target[:12] and not target.startswith("/"):
            rest = target.partition("://")[2]
            slash = rest.find("/")
            target = rest[slash:] if slash >= 0 else "/" + rest[rest.find("?") :] if "?" in rest else "/"
        path, _, query = target.partition("?")
        return path, query

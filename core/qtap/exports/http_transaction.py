"""The HttpTransaction object of spec qtap.md 4.1, with the additions of docs/output.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from qtap import model
from qtap.exports.encode import rfc3339
from qtap.exports.headers import field_map, header_map
from qtap.model import Message, Process, Transaction, pod_of, without_port
from qtap.wire.grpc import call_of

Level = Literal["none", "summary", "headers", "full"]
"""How much of a transaction leaves the program (spec qtap.md 4.1)."""

_ENDS = re.compile(r"^[^a-z0-9]+|[^a-z0-9]+$")


class Metadata(msgspec.Struct, omit_defaults=True, gc=False):
    """Who spoke with whom; everything but `process_id` and the counts is left out when empty."""

    process_id: str
    bytes_sent: int
    """Bytes on the wire, as this process sent them; so a server's are those of the response."""
    bytes_received: int
    connection_id: str
    endpoint_id: str
    tags: tuple[str, ...]
    request_id: str
    """The transaction's id."""
    process_exe: str = ""
    process_user: str = ""
    container_name: str = ""
    container_image: str = ""
    pod_name: str = ""
    pod_namespace: str = ""
    local_address: str = ""
    """`ip:port`, IPv6 in brackets."""
    remote_address: str = ""
    client_address: str = ""
    """As a load balancer's PROXY header tells it."""
    peer_request_id: str = ""
    """The `request_id` of the same exchange as the other process on this host saw it."""


class Request(msgspec.Struct, omit_defaults=True, gc=False):
    """The request; headers and what follows them as the level allows."""

    method: str
    url: str
    """With its query."""
    scheme: str = ""
    path: str = ""
    """Without its query."""
    authority: str = ""
    protocol: str = ""
    user_agent: str = ""
    content_type: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes | bytearray | None = None
    """After transfer decoding, before content decoding."""
    body_truncated: int = 0
    """Bytes of the body that are known to be missing."""
    trailers: dict[str, str] | None = None


class Response(msgspec.Struct, omit_defaults=True, gc=False):
    """The response; `status` is 0 when no status line was seen."""

    status: int
    content_type: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes | bytearray | None = None
    body_truncated: int = 0
    trailers: dict[str, str] | None = None


class WebSocketMessage(msgspec.Struct, omit_defaults=True, gc=False, rename={"sender": "from"}):
    """One message or control frame."""

    time: str
    sender: str
    """`client` or `server`."""
    type: str
    """`text`, `binary`, `close`, `ping`, `pong` or `unknown`."""
    size: int
    wire_size: int
    compressed: bool = False
    body: bytes | None = None
    """After unmasking and inflating."""
    incomplete: tuple[str, ...] = ()


class WebSocket(msgspec.Struct, omit_defaults=True, gc=False):
    """What passed on a connection that became a WebSocket."""

    from_client: int
    """How many messages the client sent."""
    from_server: int
    dropped: int = 0
    """How many of the oldest are not in `messages`."""
    messages: list[WebSocketMessage] | None = None


class HttpTransaction(msgspec.Struct, omit_defaults=True, gc=False):
    """One request with its response."""

    metadata: Metadata
    request: Request
    response: Response
    transaction_time: str
    duration_ms: int
    """At least 1."""
    direction: str
    incomplete: tuple[str, ...] = ()
    """Why something is missing, in the words of docs/output.md."""
    websocket: WebSocket | None = None
    grpc_service: str = ""
    grpc_method: str = ""
    grpc_status: str = ""
    """The number."""
    grpc_status_name: str = ""
    grpc_message: str = ""


def describe(transaction: Transaction, level: Level = "full", tags: tuple[str, ...] = ()) -> HttpTransaction:
    """Give the object for `transaction` at `level` (`none` is described as `summary`); `tags` join the automatic ones."""
    sent, received = header_map(transaction.request), header_map(transaction.response)
    request = Request(
        transaction.method,
        transaction.url,
        transaction.scheme,
        transaction.path,
        transaction.host,
        "http2" if transaction.protocol == "grpc" else transaction.protocol,
        sent.get("User-Agent", ""),
        sent.get("Content-Type", ""),
    )
    response = Response(transaction.status, received.get("Content-Type", ""))
    if level in ("headers", "full"):
        _add_content(request, transaction.request, sent, bodies=level == "full")
        _add_content(response, transaction.response, received, bodies=level == "full")
    described = HttpTransaction(
        _metadata(transaction, tags),
        request,
        response,
        rfc3339(transaction.started_at),
        max(transaction.duration // 1_000_000, 1),
        transaction.connection.direction,
        transaction.incomplete,
        _websocket(transaction.websocket, level) if transaction.websocket else None,
    )
    call = call_of(transaction)
    if call is not None:
        described.grpc_service, described.grpc_method, described.grpc_message = call.service, call.method, call.message
        described.grpc_status, described.grpc_status_name = call.status, call.status_name
    return described


def _add_content(part: Request | Response, message: Message, headers: Mapping[str, str], *, bodies: bool) -> None:
    part.headers = headers
    if message.trailers:
        part.trailers = field_map(message.trailers)
    if bodies:
        part.body = message.body
        part.body_truncated = max(message.body_missing, 0)


def _websocket(socket: model.WebSocket, level: Level) -> WebSocket:
    described = WebSocket(socket.from_client, socket.from_server, socket.dropped)
    if level in ("headers", "full"):
        described.messages = [_message(message, bodies=level == "full") for message in list(socket.messages)]
    return described


def _message(message: model.WebSocketMessage, *, bodies: bool) -> WebSocketMessage:
    return WebSocketMessage(
        rfc3339(message.at),
        "client" if message.from_client else "server",
        message.kind,
        message.size,
        message.wire_size,
        message.compressed,
        message.payload if bodies and message.payload else None,
        message.faults,
    )


def _metadata(transaction: Transaction, tags: tuple[str, ...]) -> Metadata:
    connection = transaction.connection
    process = connection.process
    sent, received = transaction.request.wire_size, transaction.response.wire_size
    if connection.server:
        sent, received = received, sent
    metadata = Metadata(
        str(process.pid),
        sent,
        received,
        connection.id,
        endpoint_of(transaction),
        automatic_tags(process.binary, connection.local.ip, transaction.protocol, tags),
        transaction.id,
        process.exe,
        process.user,
        peer_request_id=transaction.peer,
    )
    if connection.local.ip:
        metadata.local_address = str(connection.local)
    if connection.remote.ip:
        metadata.remote_address = str(connection.remote)
    if connection.client.ip:
        metadata.client_address = str(connection.client)
    if process.container is not None:
        _add_container(metadata, process)
    return metadata


def _add_container(metadata: Metadata, process: Process) -> None:
    container = process.container
    assert container is not None
    metadata.container_name = container.name
    metadata.container_image = container.image
    pod = container.pod or pod_of(container.labels)
    if pod is not None:
        metadata.pod_name, metadata.pod_namespace = pod.name, pod.namespace


def endpoint_of(transaction: Transaction) -> str:
    """Name the side that answers: SNI, else this request's Host without its port, else what else is known of the connection."""
    connection = transaction.connection
    if connection.sni:
        return connection.sni
    return without_port(transaction.host) or connection.domain


@lru_cache(maxsize=4096)
def automatic_tags(binary: str, ip: str, protocol: str, extra: tuple[str, ...]) -> tuple[str, ...]:
    """Give `bin`, `ip` (the local one), `protocol` and `strategy` with `extra`, sorted, without those that say nothing."""
    found = {"bin": tag_value(binary), "ip": ip, "protocol": protocol, "strategy": "observe"}
    return tuple(sorted({*(f"{key}:{value}" for key, value in found.items() if value), *extra}))


def tag_value(text: str) -> str:
    """Give `text` in the form of tags: lower case, hyphens for spaces, alphanumeric at both ends (spec qtap.md 7.6)."""
    return _ENDS.sub("", text.lower().replace(" ", "-"))

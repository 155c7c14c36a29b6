"""Transactions to test with: one builder for examples, one strategy for everything the model can hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from qtap.model import (
    Connection,
    Container,
    Endpoint,
    Loss,
    Message,
    Process,
    Transaction,
    WebSocket,
    WebSocketMessage,
)

BEGAN = 1_767_323_045_123_456_789
"""2026-01-02T03:04:05.123456789Z."""

CURL = Process(4121, exe="/usr/bin/curl", comm="curl", args=["curl", "https://httpbin.org/"], uid=0, user="root")


def connection(**changes: Any) -> Connection:  # noqa: ANN401 - any field
    given: dict[str, Any] = {
        "id": "d654d887p3qnd27vfhag",
        "process": CURL,
        "local": Endpoint("192.168.3.218", 51544),
        "remote": Endpoint("3.210.94.60", 443),
        "tls": True,
        "tls_probe": "openssl",
        "sni": "httpbin.org",
    }
    return Connection(**(given | changes))


def message(head: bytes, body: bytes = b"", *, at: int = BEGAN, took: int = 0, **changes: Any) -> Message:  # noqa: ANN401 - any field
    given: dict[str, Any] = {"body_size": len(body), "wire_size": len(head) + len(body), "complete": True}
    return Message(head, body, first_at=at, last_at=at + took, **(given | changes))


def transaction(
    request: bytes = b"GET / HTTP/1.1\r\nHost: httpbin.org\r\n\r\n",
    body: bytes = b"",
    response: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    response_body: bytes = b"ok",
    **changes: Any,  # noqa: ANN401 - any field
) -> Transaction:
    method, target = request.split(b" ")[:2]
    given: dict[str, Any] = {
        "id": "d654d887p3qnd27vfhb0",
        "connection": connection(),
        "method": method.decode("latin-1"),
        "target": target.decode("latin-1"),
        "status": int(response.split(b" ")[1]) if response else 0,
        "request": message(request, body),
        "response": message(response, response_body, at=BEGAN + 700_000_000, took=67_891_234),
        "finished": True,
        "host": "httpbin.org",
    }
    return Transaction(**(given | changes))


_numbers = st.integers(min_value=0, max_value=2**63 - 1)
_texts = st.text(max_size=20)
_bytes = st.binary(max_size=60)
endpoints = st.builds(Endpoint, ip=_texts, port=st.integers(0, 65535))
containers = st.builds(Container, id=_texts, name=_texts, image=_texts, labels=st.dictionaries(_texts, _texts, max_size=3))
processes = st.builds(
    Process,
    pid=_numbers,
    exe=_texts,
    comm=_texts,
    args=st.lists(_texts, max_size=3),
    ppid=_numbers,
    uid=st.integers(-1, 2**32),
    user=_texts,
    started_at=_numbers,
    container=st.none() | containers,
)
connections = st.builds(
    Connection,
    id=_texts,
    process=processes,
    local=endpoints,
    remote=endpoints,
    client=endpoints,
    server=st.booleans(),
    tls=st.booleans(),
    tls_probe=_texts,
    sni=_texts,
    opened_at=_numbers,
    closed_at=_numbers,
    protocol=_texts,
    tls_version=st.integers(0, 0xFFFF),
    tls_cipher=st.integers(0, 0xFFFF),
    alpn=st.lists(_texts, max_size=2).map(tuple),
    bytes_sent=_numbers,
    bytes_received=_numbers,
    sent_unseen=_numbers,
    received_unseen=_numbers,
    seen_late=st.booleans(),
    cut=st.booleans(),
    part=_numbers,
)
messages = st.builds(
    Message,
    head=_bytes | st.just(b"GET / HTTP/1.1\r\nHost: a\r\nx: \xff\x00\r\n\r\n"),
    body=_bytes | _bytes.map(bytearray),
    body_size=_numbers,
    trailers=_bytes,
    wire_size=_numbers,
    first_at=_numbers,
    last_at=_numbers,
    complete=st.booleans(),
)
websocket_messages = st.builds(
    WebSocketMessage,
    at=_numbers,
    kind=_texts,
    from_client=st.booleans(),
    payload=_bytes,
    size=_numbers,
    wire_size=_numbers,
    compressed=st.booleans(),
    faults=st.lists(_texts, max_size=2).map(tuple),
)
websockets = st.builds(
    WebSocket, messages=st.lists(websocket_messages, max_size=3), dropped=_numbers, from_client=_numbers, from_server=_numbers
)
transactions = st.builds(
    Transaction,
    id=_texts,
    connection=connections,
    protocol=_texts,
    method=_texts,
    target=_texts,
    status=_numbers,
    request=messages,
    response=messages,
    informational=st.lists(_bytes, max_size=2).map(tuple),
    incomplete=st.lists(_texts, max_size=2).map(tuple),
    peer=_texts,
    opaque=st.booleans(),
    finished=st.booleans(),
    host=_texts,
    websocket=st.just(UNSET) | websockets,
)
losses = st.builds(Loss, where=_texts, count=_numbers, since=_numbers, at=_numbers, what=_texts)
records = transactions | connections | processes | losses

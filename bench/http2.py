"""What user space pays for an HTTP/2 transaction beside the same one in HTTP/1: made by h2, as the ring would hold it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

from h2.config import H2Configuration
from h2.connection import H2Connection

from bench.plan import Plan, say
from bench.records import play
from bench.report import Bound, Row
from bench.tape import Tape, load
from qtap.capture.records import DATA, FROM_START, HEADER, IN, LAYERS, OUT

_EXCHANGES = 2000
_STREAMS = 4
"""Open at a time."""
_ASKED = [(f"x-request-{n}", f"value of field {n}") for n in range(8)]
_SAID = [(f"x-response-{n}", f"value of field {n}") for n in range(8)]
_BODY, _ANSWER = b"q" * 500, b"a" * 2000
_LOOPBACK = bytes((127, 0, 0, 1)).ljust(16, b"\0")
_AF_INET = 2

Call = tuple[int, bytes]
"""The direction, as the client has it, and the bytes."""


def measure(plan: Plan) -> list[Row]:
    """Give the time for a transaction of 14 and 10 header fields, 500 and 2000 bytes of body, from ring to log."""
    say("http2, transactions of both versions")
    gc.freeze()
    what = "user space, 14 and 10 fields, 500 B and 2 KB"
    return [
        Row(what, "HTTP/2, 4 streams", _each(_tape(_http2()), plan.rounds), "us", Bound("<=", 35)),
        Row(what, "the same in HTTP/1", _each(_tape(_http1()), plan.rounds), "us"),
    ]


def _each(tape: Tape, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        seconds, sink = play(tape)
        assert sink.whole == _EXCHANGES
        found.append(seconds / _EXCHANGES * 1e6)
    return found


def _fields(number: int) -> list[tuple[str, str]]:
    """Give a request's fields: two differ in each, the others repeat, as they do between an API and its clients."""
    named = [(":method", "POST"), (":scheme", "https"), (":authority", "api.example.com"), (":path", f"/items/{number}")]
    return [*named, *_ASKED, ("x-id", f"{number:032x}"), ("content-length", str(len(_BODY)))]


def _http2() -> Iterator[Call]:
    client, server = H2Connection(), H2Connection(H2Configuration(client_side=False))
    client.initiate_connection()
    server.initiate_connection()
    yield from _exchange(client, server)
    for first in range(0, _EXCHANGES, _STREAMS):
        streams = [2 * (first + n) + 1 for n in range(_STREAMS)]
        for stream in streams:
            client.send_headers(stream, _fields(stream))
            client.send_data(stream, _BODY, end_stream=True)
        yield from _exchange(client, server)
        for stream in streams:
            server.send_headers(stream, [(":status", "200"), *_SAID, ("content-length", str(len(_ANSWER)))])
            server.send_data(stream, _ANSWER, end_stream=True)
            server.acknowledge_received_data(len(_BODY), stream)
        yield from _exchange(client, server)
        for stream in streams:
            client.acknowledge_received_data(len(_ANSWER), stream)


def _exchange(client: H2Connection, server: H2Connection) -> Iterator[Call]:
    """Carry what both have to say, one call each."""
    for direction, end, other in ((OUT, client, server), (IN, server, client)):
        if data := end.data_to_send():
            other.receive_data(data)
            yield direction, data


def _http1() -> Iterator[Call]:
    for number in range(_EXCHANGES):
        fields = dict(_fields(number))
        lines = [f"{name}: {value}" for name, value in fields.items() if name[0] != ":"]
        head = [f"POST {fields[':path']} HTTP/1.1", f"host: {fields[':authority']}", *lines, "", ""]
        yield OUT, "\r\n".join(head).encode() + _BODY
        said = [f"{name}: {value}" for name, value in _SAID]
        yield IN, "\r\n".join(["HTTP/1.1 200 OK", *said, f"content-length: {len(_ANSWER)}", "", ""]).encode() + _ANSWER


def _tape(calls: Iterator[Call]) -> Tape:
    """Write the records of one client's TLS handle."""
    records: list[bytes] = []
    positions, counts = [0, 0], [0, 0]
    for at, (direction, data) in enumerate(calls, start=1):
        header = HEADER.pack(
            at * 1000, 0x1000, 0x2000, positions[direction], 1, 10, counts[direction], len(data), 0, len(data),
            40_000, 443, _LOOPBACK, _LOOPBACK, DATA, direction, LAYERS.index("openssl"), FROM_START, _AF_INET, 0,
        )  # fmt: skip
        positions[direction] += len(data)
        counts[direction] += 1
        records.append(header + data)
    return load(b"".join(records))

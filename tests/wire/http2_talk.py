"""Frames by hand, and real HTTP/2 traffic made by h2, for tests of the observer."""

from __future__ import annotations

import random
from collections.abc import Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder

from qtap.model import Connection, Process, Transaction
from qtap.wire.http2 import Observer
from qtap.wire.http2_syntax import PREFACE
from tests.wire.watching import Telling

Call = tuple[bool, bytes]
"""From client, bytes."""
Field = tuple[str, str]
GET: list[Field] = [(":method", "GET"), (":scheme", "https"), (":authority", "shop"), (":path", "/a?b=1")]
OK: list[Field] = [(":status", "200"), ("content-type", "text/plain")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def data(stream: int, payload: bytes, *, ends: bool = False, pad: int = -1) -> bytes:
    if pad >= 0:
        return frame(0, 8 | ends, stream, bytes([pad]) + payload + bytes(pad))
    return frame(0, ends, stream, payload)


SETTINGS = frame(4, 0, 0, b"\0\3\0\0\0\x64")
ACK = frame(4, 1, 0)


class Talk(Telling):
    """Feeds an observer, a tick of the clock a call, and checks the contract of its Listener."""

    observer: Observer

    def __init__(self, *, from_start: bool = True, body_limit: int = 1 << 20, greeting: bool = True) -> None:
        super().__init__()
        self.observer = Observer(self, Connection(id="c", process=Process(pid=1)), body_limit, from_start=from_start)
        self.encoders = {True: Encoder(), False: Encoder()}
        if from_start and greeting:
            self.client(PREFACE + SETTINGS).server(SETTINGS + ACK).client(ACK)

    def block(self, fields: list[Field], *, from_client: bool) -> bytes:
        """Give a header block in the state of its side's encoder."""
        return bytes(self.encoders[from_client].encode(fields))

    def ask(self, stream: int, fields: list[Field] = GET, *, ends: bool = True) -> Talk:
        return self.client(frame(1, 4 | ends, stream, self.block(fields, from_client=True)))

    def answer(self, stream: int, fields: list[Field] = OK, *, ends: bool = True) -> Talk:
        return self.server(frame(1, 4 | ends, stream, self.block(fields, from_client=False)))


class Truth:
    """What one stream carried."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.number = number
        self.request_fields: list[Field] = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "api.example.com"),
            (":path", f"/items/{number}"),
            *((f"x-head-{index}", f"value {index}") for index in range(8)),
            ("x-request-id", f"{rng.getrandbits(64):016x}"),
            ("content-type", "application/json"),
        ]
        self.response_fields: list[Field] = [
            (":status", str(rng.choice((200, 200, 201, 404, 418)))),
            *((f"y-head-{index}", f"value {index}") for index in range(6)),
            ("x-number", str(number)),
            ("content-type", "application/json"),
        ]
        self.request_body = f"<request {number}>".encode() * rng.randrange(1, 40)
        self.response_body = f"<response {number}>".encode() * rng.randrange(1, 40)


class _Pair:
    """A client and a server of h2, and the calls they make."""

    def __init__(self) -> None:
        self.client = H2Connection(H2Configuration(client_side=True))
        self.server = H2Connection(H2Configuration(client_side=False))
        self.calls: list[Call] = []
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.flush()

    def flush(self) -> None:
        up = down = b"-"
        while up or down:
            up = self.client.data_to_send()
            self.server.receive_data(up)
            down = self.server.data_to_send()
            self.client.receive_data(down)
            self.calls += [call for call in ((True, up), (False, down)) if call[1]]


def traffic(count: int, *, together: int = 3, seed: int = 1) -> tuple[list[Call], dict[int, Truth]]:
    """Give the calls of `count` exchanges, `together` at a time, and the truth by stream."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    pair = _Pair()
    truths: dict[int, Truth] = {}
    for begin in range(0, count, together):
        streams = []
        for number in range(begin, min(begin + together, count)):
            stream = pair.client.get_next_available_stream_id()
            truth = truths[stream] = Truth(number, rng)
            streams.append(stream)
            pair.client.send_headers(stream, truth.request_fields)
            if rng.random() < 0.5:
                pair.flush()
            pair.client.send_data(stream, truth.request_body, end_stream=True)
        pair.flush()
        rng.shuffle(streams)
        for stream in streams:
            truth = truths[stream]
            half = len(truth.response_body) // 2
            pair.server.send_headers(stream, truth.response_fields)
            pair.server.send_data(stream, truth.response_body[:half])
            if rng.random() < 0.5:
                pair.flush()
            pair.server.send_data(stream, truth.response_body[half:], end_stream=True)
        pair.flush()
    return pair.calls, truths


def check(transactions: Iterable[Transaction], truths: dict[int, Truth]) -> tuple[int, int]:
    """Assert that nothing is wrong unless it is marked; give how many are whole, and how many are there at all."""
    whole = count = 0
    streams = set()
    for transaction in transactions:
        truth = truths[transaction.stream]
        assert transaction.stream not in streams or transaction.incomplete
        streams.add(transaction.stream)
        count += 1
        for message, fields, body in (
            (transaction.request, truth.request_fields, truth.request_body),
            (transaction.response, truth.response_fields, truth.response_body),
        ):
            true = {name.encode(): value.encode() for name, value in fields}
            for name, value in message.fields:
                if not name.startswith("‹".encode()):
                    assert true[name] == value
                else:
                    assert (
                        f"{'request' if message is transaction.request else 'response'}_headers_unknown"
                        in transaction.incomplete
                    )
            assert body.startswith(bytes(message.body)) or transaction.incomplete
            assert bytes(message.body) in body
            side = "request" if message is transaction.request else "response"
            if message.complete or f"{side}_body_lost" in transaction.incomplete:
                known = f"{side}_body_size_unknown" not in transaction.incomplete
                assert message.body_size == len(body) if known else message.body_size <= len(body)
        if not transaction.incomplete:
            whole += 1
            assert [(n.decode(), v.decode()) for n, v in transaction.request.fields] == truth.request_fields
            assert [(n.decode(), v.decode()) for n, v in transaction.response.fields] == truth.response_fields
            assert transaction.request.body == truth.request_body
            assert transaction.response.body == truth.response_body
        assert transaction.target in ("", f"/items/{truth.number}")
        assert str(transaction.status) in ("0", truth.response_fields[0][1])
    return whole, count

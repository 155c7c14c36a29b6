"""Anything at all may happen on a connection: the observer keeps its contract and its bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.conversation import CHUNKED, OK, Conversation, answer, get, post

LIMIT = 50
SENSIBLE = st.sampled_from(
    [
        get("/a"),
        get("/b") + get("/c"),
        post("/p", 10),
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT h:1 HTTP/1.1\r\n\r\n",
        OK,
        OK + OK,
        CHUNKED,
        answer(b"x" * 60),
        answer(b"x", 300),
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 000 Zero\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 101 Up\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\r\n",
        b"\n",
        b"x" * 100,
    ]
)


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    """Bytes of any kind: sensible, parts of sensible, noise."""
    data = draw(SENSIBLE | st.binary(max_size=40) | st.text("GET /HTP1.0\r\n:5 ", max_size=30).map(str.encode))
    start = draw(st.just(0) | st.integers(0, len(data)))
    return data[start : draw(st.just(len(data)) | st.integers(start, len(data)))]


Step = Callable[[Conversation], object]
CALLS = st.lists(pieces(), max_size=3)
SIZES = st.integers(-1, 80) | st.sampled_from([1 << 40])


def step_of(kind: str, parts: list[bytes], size: int, flag: bool) -> Step:
    """Make one event of what was drawn."""
    steps: dict[str, Step] = {
        "client": lambda talk: talk.client(*parts),
        "server": lambda talk: talk.server(*parts),
        "client_loses": lambda talk: talk.client_loses(size),
        "server_loses": lambda talk: talk.server_loses(size),
        "client_skips": lambda talk: talk.client_skips(size, ends_chunked=flag),
        "server_skips": lambda talk: talk.server_skips(size, ends_chunked=flag),
        "client_closes": lambda talk: talk.client_closes(),
        "server_closes": lambda talk: talk.server_closes(),
    }
    return steps[kind]


KINDS = st.sampled_from(
    ["client"] * 5
    + ["server"] * 5
    + ["client_loses", "server_loses", "client_skips", "server_skips", "client_closes", "server_closes"]
)
STEPS = st.lists(st.builds(step_of, KINDS, CALLS, SIZES, st.booleans()), max_size=25)


@given(STEPS, st.booleans(), st.sampled_from(["", "capture_ended"]))
@settings(max_examples=600, deadline=None)
def test_no_events_break_the_contract(steps: list[Step], from_start: bool, reason: str) -> None:
    talk = Conversation(from_start=from_start, body_limit=LIMIT)
    for step in steps:
        step(talk)
        for transaction in talk.opened_ones:
            for message in (transaction.request, transaction.response):
                assert len(message.body) <= LIMIT
                assert message.body_size >= len(message.body)
                assert message.wire_size >= len(message.head)
                assert message.first_at <= message.last_at
    for transaction in talk.ends(reason):
        response, request = transaction.response, transaction.request
        assert request.head or response.head
        assert bool(transaction.method) == bool(request.head)
        whole = request.complete and response.complete and not request.body_missing and not response.body_missing
        assert whole or transaction.incomplete or reason == "" or request.body_missing or response.body_missing
    talk.client(get("/late")).server(OK).client_loses(3).server_closes()
    assert talk.observer.idle


@given(st.binary(max_size=300), st.integers(1, 20), st.booleans())
def test_noise_in_one_direction_makes_no_transaction_but_by_a_head(noise: bytes, size: int, from_client: bool) -> None:
    talk = Conversation(from_start=False)
    for start in range(0, len(noise), size):
        (talk.client if from_client else talk.server)(noise[start : start + size])
    assert len(talk.ends()) <= noise.count(b"HTTP/")


def memory_of(feed: Callable[[Conversation], object]) -> int:
    """Give the peak of memory in bytes that feeding takes, beyond the conversation itself."""
    talk = Conversation(body_limit=1000)
    tracemalloc.start()
    feed(talk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_nothing_is_kept_of_what_never_ends() -> None:
    block = b"x" * 65536
    openings = {
        "response by length": (get("/a"), answer(b"", 1 << 40), False),
        "response by chunk": (get("/a"), CHUNKED + b"ffffffffff\r\n", False),
        "response until close": (get("/a"), b"HTTP/1.1 200 OK\r\n\r\n", False),
        "broken chunks": (get("/a"), CHUNKED + b"z\r\n", False),
        "chunk line": (get("/a"), CHUNKED, False),
        "trailers": (get("/a"), CHUNKED + b"0\r\n", False),
        "response head": (get("/a"), b"HTTP/1.1 200 OK\r\nX: ", False),
        "request by length": (post("/a", 1 << 40), b"", True),
        "request head": (b"GET / HTTP/1.1\r\nX: ", b"", True),
        "request line": (b"GET /", b"", True),
        "no head at all": (get("/a"), b"y", False),
    }
    for name, (asked, answered, from_client) in openings.items():

        def feed(talk: Conversation, asked: bytes = asked, answered: bytes = answered, from_client: bool = from_client) -> None:
            talk.client(asked).server(answered)
            for _ in range(100):
                (talk.client if from_client else talk.server)(block)

        assert memory_of(feed) < 5 << 20, name


def test_an_idle_connection_holds_no_body() -> None:
    tracemalloc.start()
    talk = Conversation().client(post("/a", 1 << 20), bytes(1 << 20)).server(answer(bytes(1 << 20)))
    talk.opened_ones.clear()
    talk.finished_ones.clear()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 100_000


def test_trailers_without_end_are_bounded() -> None:
    talk = Conversation().client(get("/a")).server(CHUNKED + b"0\r\n")
    for _ in range(3000):
        talk.server(b"X-T: " + b"y" * 40 + b"\r\n")
    [transaction] = talk.server(b"\r\n").ends()
    assert 0 < len(transaction.response.trailers) <= 1 << 14
    assert transaction.response.complete

"""Records of a real conversation dropped everywhere: no exchange is ever mixed with another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtap.model import Transaction
from tests.wire.conversation import Conversation

Record = tuple[bool, bytes, bool]
"""From client, data, boundary."""
METHODS = ("GET", "POST", "PUT", "HEAD", "GET")


def request(number: int, style: str) -> list[bytes]:
    """The calls that carry request `number`."""
    method, body = METHODS[number % 5], f"<request {number}>".encode() * 3
    head = f"{method} /{number} HTTP/1.1\r\nHost: h\r\nX-Id: {number}\r\n"
    if method not in ("POST", "PUT"):
        return [f"{head}\r\n".encode()]
    if style == "chunked":
        return [f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"]
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body[:20], body[20:]]


def response(number: int, style: str) -> list[bytes]:
    """The calls that carry response `number`."""
    body = f"<response {number}>".encode() * 3
    head = f"HTTP/1.1 {210 + number} OK\r\nX-Id: {number}\r\n"
    if style == "chunked":
        head += "Transfer-Encoding: chunked\r\n\r\n"
        rest = [b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"]
    else:
        head += f"Content-Length: {len(body)}\r\n\r\n"
        rest = [body[:25], body[25:]]
    if METHODS[number % 5] == "HEAD":
        return [head.encode()]
    return [head.encode() + rest[0], rest[1]] if style == "joined" else [head.encode(), *rest]


def waiting_client(style: str, count: int) -> list[Record]:
    """A client that waits for each response before it asks again."""
    records: list[Record] = []
    for number in range(count):
        records += [(True, data, True) for data in request(number, style)]
        records += [(False, data, True) for data in response(number, style)]
    return records


def pipelining_client(style: str, count: int) -> list[Record]:
    """A client that is always two requests ahead."""
    records: list[Record] = [(True, b"".join(b"".join(request(number, style)) for number in range(3)), True)]
    for number in range(count):
        records += [(False, data, True) for data in response(number, style)]
        if number + 3 < count:
            records += [(True, data, True) for data in request(number + 3, style)]
    return records


def play(
    records: list[Record], dropped: Iterable[int], *, from_start: bool = True, unknown: Iterable[int] = ()
) -> list[Transaction]:
    """Let the records pass but for the dropped ones, which are reported as late as a reader can learn of them.

    Nobody knows the size of a loss that is reported before a record in `unknown`.
    """
    talk = Conversation(from_start=from_start)
    missing = {True: 0, False: 0}
    gone = set(dropped)
    for index, (from_client, data, boundary) in enumerate(records):
        if index in gone:
            missing[from_client] += len(data)
            continue
        if missing[from_client]:
            talk.observer.gap(from_client, -1 if index in unknown else missing[from_client], index)
            missing[from_client] = 0
        talk.observer.feed(from_client, data, index, boundary)
    return talk.ends()


def assert_true(transaction: Transaction, style: str) -> None:
    """Whatever the transaction shows is of one exchange, and all of it unless it is marked."""
    asked, answered = transaction.request.field("x-id"), transaction.response.field("x-id")
    assert not (asked and answered) or asked == answered
    number = int(asked or answered)
    bodies = [
        (transaction.request, f"<request {number}>".encode() * 3 if METHODS[number % 5] in ("POST", "PUT") else b""),
        (transaction.response, f"<response {number}>".encode() * 3 if METHODS[number % 5] != "HEAD" else b""),
    ]
    for message, body in bodies:
        assert body.startswith(message.body)
        assert message.head in (
            b"",
            (request(number, style) if message is transaction.request else response(number, style))[0][: len(message.head)],
        )
    if not transaction.incomplete:
        assert asked
        assert (transaction.method, transaction.target, transaction.status) == (METHODS[number % 5], f"/{number}", 210 + number)
        assert [message.body for message, _ in bodies] == [body for _, body in bodies]


STYLES = ("length", "chunked", "joined")
TALKS = {"waiting": waiting_client, "pipelining": pipelining_client}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("talk", TALKS)
def test_with_nothing_dropped_every_exchange_is_whole(talk: str, style: str) -> None:
    for transaction in (seen := play(TALKS[talk](style, 10), ())):
        assert transaction.incomplete == ()
        assert_true(transaction, style)
    assert [transaction.target for transaction in seen] == [f"/{number}" for number in range(10)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("talk", TALKS)
def test_no_window_of_dropped_records_mixes_exchanges(talk: str, style: str) -> None:
    records = TALKS[talk](style, 10)
    # With the first call of a pipelining client lost, nothing shows that it pipelines.
    first = 1 if talk == "pipelining" else 0
    for start, size in itertools.product(range(first, len(records)), range(1, len(records))):
        for transaction in play(records, range(start, start + size)):
            assert_true(transaction, style)


@pytest.mark.parametrize("style", STYLES)
def test_no_set_of_dropped_records_mixes_exchanges(style: str) -> None:
    records = waiting_client(style, 4)[:13]
    for chosen in range(1 << len(records)):
        for transaction in play(records, [index for index in range(len(records)) if chosen >> index & 1]):
            assert_true(transaction, style)


@st.composite
def parted(draw: st.DrawFn, records: list[Record]) -> list[Record]:
    """Each call captured in up to three parts."""
    parts: list[Record] = []
    for from_client, data, _ in records:
        cuts = sorted({0, len(data), *draw(st.lists(st.integers(1, len(data)), max_size=2))})
        parts += [(from_client, data[start:end], start == 0) for start, end in itertools.pairwise(cuts)]
    return parts


@given(st.data(), st.sampled_from(STYLES), st.sampled_from(sorted(TALKS)), st.booleans())
@settings(deadline=None)
def test_parts_of_calls_dropped_anywhere_mix_nothing(data: st.DataObject, style: str, talk: str, from_start: bool) -> None:
    records = data.draw(parted(TALKS[talk](style, 6)))
    first = next(index for index, record in enumerate(records) if not record[0]) if talk == "pipelining" else 0
    places = st.sets(st.integers(first, len(records) - 1))
    for transaction in play(records, data.draw(places), from_start=from_start, unknown=data.draw(places)):
        if transaction.request.field("x-id") or transaction.response.field("x-id"):
            assert_true(transaction, style)
        else:
            assert transaction.incomplete


@pytest.mark.parametrize("style", STYLES)
def test_joining_anywhere_mixes_nothing(style: str) -> None:
    records = waiting_client(style, 6)
    for start in range(len(records)):
        for transaction in play(records[start:], (), from_start=False):
            assert_true(transaction, style)


@pytest.mark.parametrize("style", STYLES)
def test_one_dropped_record_costs_no_exchange_but_its_neighbours(style: str) -> None:
    records = waiting_client(style, 10)
    for index, (_, data, _) in enumerate(records):
        whole = [transaction for transaction in play(records, [index]) if not transaction.incomplete]
        assert len(whole) >= 8, data

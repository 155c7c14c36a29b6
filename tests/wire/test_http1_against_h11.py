"""Well-formed conversations, cut into calls at random: the observer sees what h11 sees."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from qtap.model import Transaction
from tests.wire.conversation import Conversation

Headers = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """One request with its response, as h11 is told to send them."""

    method: bytes
    target: bytes
    request_headers: Headers
    request_pieces: list[bytes]
    request_trailers: Headers
    interim: list[int]
    status: int
    response_headers: Headers
    response_pieces: list[bytes]
    response_trailers: Headers


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzXYZ0123456789-_.!", min_size=1, max_size=12).map(str.encode)
VALUE = st.text("abc XYZ:;,=\t0\u00e9", max_size=20).map(lambda text: text.encode("latin-1").strip())
RESERVED = (b"content-length", b"transfer-encoding", b"connection", b"host", b"upgrade", b"expect")
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in RESERVED), VALUE), max_size=4)
PIECES = st.lists(st.binary(min_size=1, max_size=60) | st.just(b"HTTP/1.1 200 OK\r\n\r\n"), max_size=4)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    request_pieces, response_pieces = draw(PIECES), draw(PIECES)
    request_trailers, response_trailers = draw(FIELDS), draw(FIELDS)
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"X-OWN"]))
    status = draw(st.sampled_from([200, 201, 204, 206, 302, 304, 404, 500, 599]))
    bodiless = method == b"HEAD" or status in (204, 304)
    response_headers = [*draw(FIELDS), *framing(draw, response_pieces, response_trailers)]
    return Exchange(
        method,
        draw(st.sampled_from([b"/", b"/a?b=c", b"*", b"http://h/x", b"/HTTP/1.1"])),
        [(b"Host", b"h"), *draw(FIELDS), *framing(draw, request_pieces, request_trailers)],
        request_pieces,
        request_trailers,
        draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2)),
        status,
        response_headers,
        [] if bodiless else response_pieces,
        [] if bodiless else response_trailers,
    )


def framing(draw: st.DrawFn, pieces: list[bytes], trailers: Headers) -> Headers:
    """Announce the pieces, one way or the other; trailers that cannot be sent are taken away."""
    if draw(st.booleans()):
        return [(b"Transfer-Encoding", b"chunked")]
    trailers.clear()
    return [(b"Content-Length", b"%d" % sum(map(len, pieces)))]


def send(exchange: Exchange) -> tuple[list[bytes], list[bytes], Transaction]:
    """Give what client and server write, and the transaction that h11 on both sides makes of it."""
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    request = [
        client.send(h11.Request(method=exchange.method, target=exchange.target, headers=exchange.request_headers)),
        *(client.send(h11.Data(data=piece)) for piece in exchange.request_pieces),
        client.send(h11.EndOfMessage(headers=exchange.request_trailers)),
    ]
    truth = read(server, request)
    response = [
        *(server.send(h11.InformationalResponse(status_code=status, headers=[])) for status in exchange.interim),
        server.send(h11.Response(status_code=exchange.status, headers=exchange.response_headers)),
        *(server.send(h11.Data(data=piece)) for piece in exchange.response_pieces),
        server.send(h11.EndOfMessage(headers=exchange.response_trailers)),
    ]
    answer = read(client, response)
    truth.status, truth.response, truth.informational = answer.status, answer.response, answer.informational
    return [data for data in request if data], [data for data in response if data], truth


def read(connection: h11.Connection, sent: list[bytes]) -> Transaction:
    """Give what h11 reads from the bytes, in the words of a Transaction."""
    talk = Conversation().client(b"GET / HTTP/1.1\r\n\r\n")
    [truth] = talk.opened_ones
    message = truth.response if connection.our_role is h11.CLIENT else truth.request
    connection.receive_data(b"".join(sent))
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Request):
            truth.method, truth.target = event.method.decode(), event.target.decode()
            message.head = lines(event.headers)
        elif isinstance(event, h11.Response):
            truth.status, message.head = event.status_code, lines(event.headers)
        elif isinstance(event, h11.InformationalResponse):
            truth.informational += (b"%d" % event.status_code,)
        else:
            assert isinstance(event, h11.Data)
            message.body = bytes(message.body) + bytes(event.data)
    message.trailers = lines(event.headers)
    return truth


def lines(headers: h11._headers.Headers) -> bytes:
    return b"".join(b"%b: %b\n" % (name.lower(), value) for name, value in headers)


def facts(transaction: Transaction, *, parsed: bool) -> list[object]:
    """Give what must agree; `parsed`: heads and trailers are in the form of `lines` already."""
    messages = (transaction.request, transaction.response)
    fields = [
        (message.head, message.trailers)
        if parsed
        else tuple(
            b"".join(b"%b: %b\n" % (name.lower(), value) for name, value in pairs)
            for pairs in (message.fields, message.trailer_fields)
        )
        for message in messages
    ]
    interim = [head if parsed else head.split()[1] for head in transaction.informational]
    bodies = [message.body for message in messages]
    return [transaction.method, transaction.target, transaction.status, fields, bodies, interim]


@st.composite
def calls(draw: st.DrawFn, data: bytes) -> list[list[bytes]]:
    """Cut bytes into calls, and these into captured parts."""
    cuts = sorted(set(draw(st.lists(st.integers(0, len(data)), max_size=6))) | {0, len(data)})
    cut = []
    for start, end in itertools.pairwise(cuts):
        middle = draw(st.integers(start, end))
        cut.append([part for part in (data[start:middle], data[middle:end]) if part])
    return cut


@given(st.data(), st.lists(exchanges(), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_waiting_client_cut_anywhere_is_read_as_h11_reads_it(data: st.DataObject, several: list[Exchange]) -> None:
    # Who joined late takes only a well-known method, cut in two calls, for the beginning of a head.
    from_start = data.draw(st.booleans()) or several[0].method == b"X-OWN"
    talk, truths = Conversation(from_start=from_start), []
    for exchange in several:
        request, response, truth = send(exchange)
        truths.append(truth)
        for parts in data.draw(calls(b"".join(request))):
            talk.client(*parts)
        for parts in data.draw(calls(b"".join(response))):
            talk.server(*parts)
    compare(talk, truths)


@given(st.data(), st.lists(exchanges(), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_pipelining_client_is_read_as_h11_reads_it(data: st.DataObject, several: list[Exchange]) -> None:
    sent = [send(exchange) for exchange in several]
    talk = Conversation()
    for parts in data.draw(calls(b"".join(b"".join(request) for request, _, _ in sent))):
        talk.client(*parts)
    # In one call: a part that quotes a response, at the start of a call, would be taken for one while requests wait.
    whole = b"".join(b"".join(response) for _, response, _ in sent)
    middle = data.draw(st.integers(0, len(whole)))
    talk.server(*[part for part in (whole[:middle], whole[middle:]) if part])
    compare(talk, [truth for _, _, truth in sent])


def compare(talk: Conversation, truths: list[Transaction]) -> None:
    seen = talk.ends()
    assert [transaction.incomplete for transaction in seen] == [()] * len(truths)
    assert [facts(transaction, parsed=False) for transaction in seen] == [facts(truth, parsed=True) for truth in truths]
    for transaction in seen:
        assert transaction.request.complete
        assert transaction.response.complete

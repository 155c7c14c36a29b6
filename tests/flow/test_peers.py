"""Which two transactions are one exchange, on connections whose requests and answers are all alike."""

from __future__ import annotations

import struct

import pytest

from qtap.flow.clock import clock_offset
from qtap.model import Transaction
from tests.flow.kernel import Stream, told_by

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TICK = 1_000_000


class Exchange:
    """The four calls of one exchange, in the order in which they are made."""

    def __init__(self, client: Stream, server: Stream) -> None:
        self.asks, self.hears = client.sends(ASK), server.receives(ASK)
        self.answers, self.gets = server.sends(ANSWER), client.receives(ANSWER)
        self.calls = [self.asks, self.hears, self.answers, self.gets]
        (self.began,) = struct.unpack_from("<Q", self.asks)

    def holds(self, transaction: Transaction) -> bool:
        at = (transaction.request.first_at or transaction.response.first_at) - clock_offset()
        return bool(self.began - TICK // 2 < at < self.began + 3.5 * TICK)


def three(*, opened: int = 1) -> list[Exchange]:
    client, server = Stream(10, 4000, 80, opened=opened), Stream(20, 80, 4000, sk=0x2000, opened=opened)
    return [Exchange(client, server) for _ in range(3)]


def joined(every: list[Exchange], *calls: bytes) -> list[int]:
    """Give the numbers of the exchanges whose two ends know each other; fail when ends of different ones do."""
    finished = told_by(*calls).finished
    by_id = {transaction.id: transaction for transaction in finished}
    found = []
    for transaction in finished:
        if transaction.peer and not transaction.connection.server:
            peer = by_id[transaction.peer]
            assert peer.connection.server
            assert peer.peer == transaction.id
            (number,) = (number for number, exchange in enumerate(every) if exchange.holds(transaction))
            assert every[number].holds(peer)
            found.append(number)
    return sorted(found)


def test_a_client_whose_call_returns_after_the_answer_was_sent_is_joined_with_its_server() -> None:
    every = three()
    assert joined(every, *(call for each in every for call in (each.hears, each.answers, each.asks, each.gets))) == [0, 1, 2]


def test_pipelined_requests_are_joined_in_their_order() -> None:
    every = three()
    calls = [*(each.asks for each in every), *(each.hears for each in every)]
    assert joined(every, *calls, *(each.answers for each in every), *(each.gets for each in every)) == [0, 1, 2]


@pytest.mark.parametrize(("missed", "expected"), [(0, [0, 1, 2]), (1, [0, 1, 2]), (2, [0, 1, 2]), (3, [1, 2]), (4, [1, 2])])
def test_calls_before_capture_began_shift_nothing(missed: int, expected: list[int]) -> None:
    every = three(opened=0)
    assert joined(every, *[call for each in every for call in each.calls][missed:]) == expected


def test_requests_lost_at_the_server_are_not_taken_for_later_ones() -> None:
    every = three()
    assert joined(every, every[0].asks, every[0].gets, *every[1].calls, *every[2].calls) == [1, 2]


def test_requests_lost_at_the_client_are_not_taken_for_later_ones() -> None:
    every = three()
    assert joined(every, *every[0].calls, every[1].hears, every[1].answers, *every[2].calls) == [0, 2]


def late(stream: Stream) -> Stream:
    """Give the same end as it looks while its socket is not known: it writes its positions on."""
    early = Stream(stream.pid, 0, 0, sk=0, handle=stream.handle, opened=0)
    early.goes_on_as(stream)
    return early


@pytest.mark.parametrize("missed", [0, 2])
def test_ends_whose_sockets_are_found_late_are_joined(missed: int) -> None:
    client, server = Stream(10, 4000, 80, handle=0xA, opened=0), Stream(20, 80, 4000, sk=0x2000, handle=0xB, opened=0)
    first = Exchange(late(client), late(server))
    every = [first, Exchange(client, server)]
    assert joined(every, *first.calls[missed:], *every[1].calls) == [0, 1]


def test_an_end_found_late_is_not_joined_with_what_was_answered_before_it_was_asked() -> None:
    client, server = Stream(10, 4000, 80, opened=0), Stream(20, 80, 4000, sk=0x2000, handle=0xB, opened=0)
    unheard, heard = Exchange(client, Stream(20, 80, 4000)), Exchange(client, late(server))
    found = server.sends(b"")
    assert joined([unheard, heard], unheard.asks, unheard.gets, heard.hears, heard.answers, found, heard.asks, heard.gets) == [
        1
    ]


def test_equal_addresses_of_two_network_namespaces_are_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtap.capture.namespaces.NetworkNamespaces.of", lambda _self, pid: pid % 2)
    health = Exchange(Stream(10, 4000, 80, sk=0x1000), Stream(21, 80, 4000, sk=0x2000))
    assert joined([health], *health.calls) == []
    health = Exchange(Stream(10, 4000, 80, sk=0x1000), Stream(20, 80, 4000, sk=0x2000))
    assert joined([health], *health.calls) == [0]

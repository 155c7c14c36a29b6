"""Names of addresses: who looked them up, and for how long that holds."""

from __future__ import annotations

from qtap.flow import names as module
from qtap.flow.names import Names
from qtap.flow.table import ConnectionTable
from qtap.model import Container, Process
from tests.flow.kernel import Stream, Told
from tests.wire.test_dns import AAAA, ASKED, FOUR, SIX, A, answer, record

SECOND = 1_000_000_000
SHOP = answer("shop.example", record(ASKED, A, FOUR, ttl=100), record(ASKED, AAAA, SIX, ttl=100))
CURL, OTHER = Process(7), Process(8)


def test_a_name_holds_for_its_time_within_bounds() -> None:
    names = Names()
    names.answered(CURL, SHOP, SECOND)
    names.answered(CURL, answer("short.example", record(ASKED, A, b"abcd", ttl=0)), SECOND)
    names.answered(CURL, answer("long.example", record(ASKED, A, b"efgh", ttl=1 << 31)), SECOND)
    assert names.of(CURL, "192.0.2.7", 2 * SECOND) == names.of(CURL, "::1", 2 * SECOND) == "shop.example"
    assert names.of(CURL, "192.0.2.7", 101 * SECOND) == ""
    assert names.of(CURL, "97.98.99.100", 60 * SECOND) == "short.example"
    assert names.of(CURL, "101.102.103.104", 3600 * SECOND) == "long.example"
    assert names.of(CURL, "101.102.103.104", 3601 * SECOND) == ""


def test_what_a_process_asked_for_itself_comes_before_what_others_did() -> None:
    names = Names()
    names.answered(CURL, SHOP, SECOND)
    names.answered(OTHER, answer("other.example", record(ASKED, A, FOUR)), SECOND)
    assert names.of(CURL, "192.0.2.7", SECOND) == "shop.example"
    assert names.of(Process(9), "192.0.2.7", SECOND) == "other.example"
    assert names.of(Process(9, container=Container("ab")), "192.0.2.7", SECOND) == ""


def test_no_more_than_a_limit_is_remembered() -> None:
    names = Names()
    for number in range(module._LIMIT):  # noqa: SLF001
        names.answered(CURL, answer("a.example", record(ASKED, A, number.to_bytes(4, "big"))), SECOND)
    names.answered(CURL, b"no answer", SECOND)
    assert len(names) == module._LIMIT  # noqa: SLF001
    assert names.of(CURL, "0.0.0.0", SECOND) == ""  # noqa: S104


def test_a_connection_is_named_by_sni_then_host_then_what_was_looked_up() -> None:
    told = Told()
    table = ConnectionTable(told, Process, body_limit=1 << 20)
    table.answered(7, answer("shop.example", record(ASKED, A, bytes((127, 0, 0, 1)))), 1 << 62)
    bare, named = Stream(7, 4000, 80, sk=0x1000), Stream(7, 4001, 80, sk=0x2000)
    table.take(bare.sends(b"GET / HTTP/1.0\r\n\r\n"), 0)
    table.take(named.sends(b"GET / HTTP/1.1\r\nHost: [::2]:8080\r\n\r\n"), 0)
    table.stop()
    assert [transaction.host for transaction in told.opened] == ["shop.example", "[::2]:8080"]
    assert [transaction.connection.domain for transaction in told.opened] == ["shop.example", "::2"]
    connection = told.opened[1].connection
    connection.sni = "front.example"
    assert connection.domain == "front.example"
    connection.sni, connection.server = "", True
    assert connection.domain == "::2"

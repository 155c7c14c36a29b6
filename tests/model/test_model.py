from __future__ import annotations

import time

import pytest

from qtap.model import Connection, Endpoint, Message, Process, Transaction
from qtap.model.xid import new_xid


def seen(target: str, *, tls: bool = False, host: str = "shop:81") -> Transaction:
    return Transaction(id="t", connection=Connection(id="c", process=Process(1), tls=tls), target=target, host=host)


@pytest.mark.parametrize(
    ("target", "url", "path", "query"),
    [
        ("/a/b?c=d?e", "http://shop:81/a/b?c=d?e", "/a/b", "c=d?e"),
        ("/", "http://shop:81/", "/", ""),
        ("http://other/x?y", "http://other/x?y", "/x", "y"),
        ("http://other", "http://other", "/", ""),
        ("http://other?q=1", "http://other?q=1", "/", "q=1"),
        ("*", "http://shop:81/", "*", ""),
        ("/go?to=http://x/", "http://shop:81/go?to=http://x/", "/go", "to=http://x/"),
    ],
)
def test_every_form_of_target_gives_url_path_and_query(target: str, url: str, path: str, query: str) -> None:
    transaction = seen(target)
    assert (transaction.url, transaction.path, transaction.query) == (url, path, query)


@pytest.mark.parametrize(
    ("ip", "server", "direction"),
    [
        ("127.0.0.1", False, "egress-internal"), ("10.1.2.3", False, "egress-internal"),
        ("172.31.0.1", False, "egress-internal"),
        ("172.32.0.1", False, "egress-external"), ("fd00::1", False, "egress-internal"), ("::1", False, "egress-internal"),
        ("2a00::1", False, "egress-external"), ("8.8.8.8", False, "egress-external"), ("8.8.8.8", True, "ingress"),
        ("", False, "egress-external"),
    ],
)  # fmt: skip
def test_direction_follows_role_and_peer(ip: str, server: bool, direction: str) -> None:
    assert Connection(id="c", process=Process(1), remote=Endpoint(ip, 1), server=server).direction == direction


def test_header_lines_keep_order_case_repetition_and_folding() -> None:
    head = b"HTTP/1.1 200 OK\r\nB: 1\r\nb:2\r\nLong: x\r\n  y\r\nno colon\r\nA : z\r\n\r\n"
    message = Message(head=head)
    assert message.fields == [(b"B", b"1"), (b"b", b"2"), (b"Long", b"x y"), (b"no colon", b""), (b"A", b"z")]
    assert (message.start_line, message.field("LONG"), message.field("absent")) == ("HTTP/1.1 200 OK", "x y", "")


def test_ids_are_unique_and_sort_by_time() -> None:
    now = time.time_ns()
    ids = [new_xid(now + n * 1_000_000_000) for n in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert all(len(i) == 20 and set(i) <= set("0123456789abcdefghijklmnopqrstuv") for i in ids)


def test_everything_a_transaction_holds_is_charged() -> None:
    transaction = seen("/")
    before = transaction.cost
    transaction.informational = (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,) * 3
    transaction.response.body = bytearray(5000)
    assert transaction.cost - before == 3 * 28_000 + 5000


def test_a_request_that_was_given_up_took_until_its_connection_closed() -> None:
    transaction = seen("/slow")
    transaction.request.first_at = transaction.request.last_at = 1_000
    transaction.connection.closed_at = 5_000
    assert transaction.duration == 0
    transaction.mark("closed_without_response")
    assert transaction.duration == 4_000

"""A PROXY header before the first request, whole or in pieces, and what is inside a tunnel."""

from __future__ import annotations

import pytest

from tests.flow.kernel import Stream, told_by

ASK = b"GET /behind HTTP/1.1\r\nHost: shop\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LINE = b"PROXY TCP4 203.0.113.7 10.0.0.1 50001 80\r\n"
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 1]) + b"\xc3\x51\x00\x50"


@pytest.mark.parametrize("prefix", [LINE, BINARY])
@pytest.mark.parametrize("cut", [0, 1, 5, 14, len(BINARY)])
@pytest.mark.parametrize("opened", [0, 1])
def test_a_proxy_header_is_no_part_of_the_request(prefix: bytes, cut: int, opened: int) -> None:
    server, sent = Stream(20, 80, 4000, opened=opened), prefix + ASK
    calls = [server.receives(part) for part in (sent[:cut], sent[cut:]) if part]
    told = told_by(*calls, server.sends(ANSWER), server.closes())
    (transaction,) = told.finished
    assert (transaction.method, transaction.path, transaction.status) == ("GET", "/behind", 200)
    assert transaction.request.head == ASK
    assert transaction.incomplete == ()
    assert str(transaction.connection.client) == "203.0.113.7:50001"
    assert transaction.connection.server


def test_plain_http_inside_a_tunnel_is_seen() -> None:
    client = Stream(10, 4000, 3128)
    told = told_by(
        client.sends(b"CONNECT shop:80 HTTP/1.1\r\nHost: shop:80\r\n\r\n"),
        client.receives(b"HTTP/1.1 200 OK\r\n\r\n"),
        client.sends(ASK),
        client.receives(ANSWER),
        client.closes(),
    )
    assert [(t.method, t.target, t.status, t.opaque) for t in told.finished] == [
        ("CONNECT", "shop:80", 200, True),
        ("GET", "/behind", 200, False),
    ]


@pytest.mark.parametrize("server_speaks_first", [False, True])
def test_anything_else_inside_a_tunnel_is_not(*, server_speaks_first: bool) -> None:
    client = Stream(10, 4000, 3128)
    told = told_by(
        client.sends(b"CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n"),
        client.receives(b"HTTP/1.1 200 OK\r\n\r\n"),
        *([client.receives(b"220 mail ESMTP\r\n")] if server_speaks_first else []),
        client.sends(b"EHLO me\r\n" if server_speaks_first else b"\x16\x03\x01\x02\x00\x01hello"),
        client.sends(ASK),
        client.closes(),
    )
    assert [(t.method, t.opaque, t.incomplete) for t in told.finished] == [("CONNECT", True, ())]


def test_tls_that_begins_after_an_upgrade_is_not_read_as_http() -> None:
    client = Stream(10, 4000, 631)
    told = told_by(
        client.sends(b"OPTIONS * HTTP/1.1\r\nHost: printer\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n"),
        client.receives(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.2\r\n\r\n"),
        client.sends(b"\x16\x03\x01\x00\x10GET / HTTP/1.1\r\n\r\n"),
        client.receives(b"\x16\x03\x03HTTP/1.1 200 OK\r\n\r\n"),
        client.closes(),
    )
    assert [(t.method, t.status, t.opaque) for t in told.finished] == [("OPTIONS", 101, True)]


def test_what_might_have_become_a_header_is_not_joined_with_what_follows_a_hole() -> None:
    client = Stream(10, 4000, 80)
    first = client.sends(b"P")
    client.sends(b"OST / HTTP/1.1\r\nHost: shop\r\n\r\n")
    told = told_by(
        first, client.sends(b"GET /x HTTP/1.1\r\nHost: shop\r\n\r\n"), client.receives(b"HTTP/1.1 204 No Content\r\n\r\n")
    )
    assert [t.method for t in told.finished] == ["GET"]

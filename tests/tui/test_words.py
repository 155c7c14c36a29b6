"""The words of the filter: where each is looked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.model import Transaction
from qtap_tui.words import FIELDS, doubt, matches, narrows, parse, word
from tests.tui.synthetic import NGINX, transaction


def row(**given: object) -> Transaction:
    made = transaction(
        7,
        method="PATCH",
        host="Shop.Example:8443",
        target="/Cart?Item=7",
        status=418,
        process=NGINX,
        headers=b"X-Request-ID: abc-12345\r\nServer: NGINX/1.27\r\n",
        request_headers=b"Authorization: Bearer tok\r\nAge: 999\r\n",
    )
    made.response.trailers = b"grpc-status: 13\r\n"
    for name, value in given.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "typed",
    [
        "patch", "shop.ex", "/cart", "item=7", "418", "nginx", "77", "web", "0123456789ab",  # what the list tells
        ":8443", ":40007", ":443", "93.184.216.34", "93.184.216.34:443", "10.0.0.5:40007",  # the ends
        "x-request-id", "abc-12345", "12345", "bearer", "nginx/1.27", "grpc-status",  # headers and trailers
        "server:nginx", "x-request-id:12", "grpc-status:13",
        "method:pat", "host:example", "path:cart", "status:4", "status:4xx", "status:418", "process:gin", "pid:77",
        "container:web", "container:0123", "port:443", "port:40007", "header:tok", "header:999",
        "patch nginx :443 bearer status:4xx", "status:", "PATCH Header:TOK",
        "4xx", "4XX", "status=4", "status=418", "status=4xx", "status=", "method=patch", "host=example", "pid=77", "port=443",
        "process=gin", "header=tok", "cart?item=7",
    ],
)  # fmt: skip
def test_a_row_is_found(typed: str) -> None:
    assert matches(row(), parse(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "curl", "patch curl", "999", "status:5xx", "status:18", "method:atch", "path:shop", "host:cart", "pid:7", "port:44",
        "process:web", "container:nginx", "header:cart7", "server:curl", "server:abc", "443:", "port:8443",
        "5xx", "6xx", "status=5xx", "status=item", "pid=7", "port=44", "host=cart", "status>=400", "stat:418", "40x",
    ],
)  # fmt: skip
def test_a_row_is_not_found(typed: str) -> None:
    assert not matches(row(), parse(typed))


def test_a_hostile_head_costs_no_more_than_its_beginning() -> None:
    made = row()
    made.request.head = b"GET / HTTP/1.1\r\nA: " + b"x" * (1 << 18) + b"needle\r\n\r\n"
    assert not matches(made, parse("needle"))


@given(
    st.lists(
        st.sampled_from(
            ["4", ":", "s", "a", "1", "x", "n", "server:", "status:", "status=", "pid:", "port:", "port=", "7", "4xx"]
        ),
        max_size=4,
    ),
    st.text("4:sx1n7", max_size=3),
)
def test_a_word_that_narrows_another_finds_nothing_that_the_other_does_not(parts: list[str], more: str) -> None:
    shorter, longer = "".join(parts), "".join(parts) + more
    if not shorter or not narrows(word(shorter), word(longer)):
        return
    rows = [row(status=status, host=host) for status in (0, 418, 471) for host in ("status:4", "444", "sx1n7", "server:nginx")]
    for made in rows:
        assert matches(made, (word(shorter),)) or not matches(made, (word(longer),))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nginx stats:500", "no field stats; did you mean status:?"),
        ("hots=api", "no field hots; did you mean host:?"),
        ("status>=500", ">= compares nothing; write 5xx"),
        ("https://api.example/v1", "the host and the path of a URL are two words"),
        ("server:nginx", "server is no field, and no header of that name fits"),
    ],
)
def test_a_word_that_finds_nothing_may_be_meant_otherwise(typed: str, said: str) -> None:
    assert said in doubt(parse(typed))


@pytest.mark.parametrize("typed", ["nginx", "status:5xx", "5xx", "q=1", "/a?b=c", "10.0.0.1:80", ":443", "[::1]:80"])
def test_a_word_that_finds_nothing_may_be_right(typed: str) -> None:
    assert not doubt(parse(typed))


def test_every_field_can_be_asked_for() -> None:
    for field in FIELDS:
        assert word(f"{field}:x").field == field

"""The judge must find what is wrong, or the matrix proves nothing."""

from __future__ import annotations

import base64
import copy

import pytest

from tests.live.matrix.cell import Counts
from tests.live.matrix.judging import Terms, judge
from tests.live.program import Fields
from tests.live.servers import Seen, digest

RECORD = [
    Seen(f"x-{n}", 1000 + n, "POST", f"/{n}", [("X-Id", f"x-{n}"), ("A", "a")], digest(b"in"), 0.0, 200, [("X-Id", f"x-{n}")])
    for n in range(2)
]
for seen in RECORD:
    seen.response_body = digest(b"out")
    seen.response_trailers = [("X-Sum", seen.id)]


def transaction(n: int, direction: str) -> Fields:
    client, server = f"127.0.0.1:{1000 + n}", "127.0.0.1:80"
    local, remote = (client, server) if direction == "egress" else (server, client)
    other = "ingress" if direction == "egress" else "egress"
    return {
        "direction": direction,
        "metadata": {
            "request_id": f"{direction}{n}",
            "peer_request_id": f"{other}{n}",
            "local_address": local,
            "remote_address": remote,
        },
        "request": {
            "method": "POST",
            "url": f"http://s/{n}",
            "headers": {"X-Id": f"x-{n}", "A": "a"},
            "body": base64.b64encode(b"in"),
        },
        "response": {
            "status": 200,
            "headers": {"X-Id": f"x-{n}"},
            "trailers": {"X-Sum": f"x-{n}"},
            "body": base64.b64encode(b"out"),
        },
    }


def everything() -> list[Fields]:
    return [transaction(n, direction) for n in range(2) for direction in ("egress", "ingress")]


def judged(transactions: list[Fields]) -> Counts:
    return judge(transactions, RECORD, Terms(), [])


def test_what_is_the_record_is_seen_at_both_ends() -> None:
    counts = judged(everything())
    assert (counts.requests, counts.client, counts.server, counts.wrong, counts.incomplete) == (2, 2, 2, 0, 0)


def test_a_transaction_twice_is_a_duplicate() -> None:
    assert judged([*everything(), transaction(0, "egress")]).duplicates == 1


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        (("response", "headers", "X-Id"), "x-1", "pairings"),
        (("metadata", "local_address"), "127.0.0.1:1001", "pairings"),
        (("request", "headers", "X-Id"), "nobody", "pairings"),
        (("request", "headers", "A"), "b", "headers"),
        (("request", "headers", "B"), "b", "headers"),
        (("response", "status"), 404, "headers"),
        (("response", "trailers"), {"X-Sum": "x-1"}, "headers"),
        (("response", "trailers"), {}, "headers"),
        (("request", "url"), "http://s/1", "headers"),
        (("response", "body"), base64.b64encode(b"other"), "bodies"),
        (("request", "body"), b"", "bodies"),
    ],
)
def test_a_difference_is_counted_where_it_belongs(path: tuple[str, ...], value: object, kind: str) -> None:
    found = everything()
    place = found[0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    counts = judged(found)
    assert (getattr(counts, kind), counts.wrong, counts.client, counts.server) == (1, 1, 1, 2)


def test_a_transaction_without_addresses_is_seen_and_counted() -> None:
    found = everything()
    found[0]["metadata"] |= {"local_address": ":0", "remote_address": ":0"}
    counts = judged(found)
    assert (counts.unaddressed, counts.wrong, counts.client) == (1, 0, 2)


def test_two_ends_of_different_exchanges_that_are_joined_are_a_wrong_pairing() -> None:
    found = everything()
    found[0]["metadata"]["peer_request_id"] = "ingress1"
    assert judged(found).pairings == 1


def test_a_body_that_is_marked_as_cut_is_incomplete_and_not_wrong() -> None:
    found = copy.deepcopy(everything())
    found[0] |= {"incomplete": ["response_body_cut"]}
    found[0]["response"]["body"] = b""
    counts = judged(found)
    assert (counts.wrong, counts.incomplete, counts.client) == (0, 1, 1)


def test_a_response_that_is_marked_as_lost_is_incomplete_and_not_wrong() -> None:
    found = everything()
    found[0] |= {"incomplete": ["response_lost"], "response": {"status": 0}}
    counts = judged(found)
    assert (counts.wrong, counts.incomplete, counts.client) == (0, 1, 1)


def test_a_field_that_is_marked_as_unknown_may_be_missing_but_no_known_one_may_differ() -> None:
    found = everything()
    found[0] |= {"incomplete": ["request_headers_unknown"]}
    found[0]["request"]["headers"] = {"‹unknown 62›": "x-0"}
    assert (judged(found).wrong, judged(found).client, judged(found).unknown) == (0, 2, 1)
    found[0]["request"]["headers"]["A"] = "b"
    assert judged(found).headers == 1

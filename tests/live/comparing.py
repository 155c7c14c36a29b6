"""What was captured against what the server wrote down."""

from __future__ import annotations

from collections.abc import Iterable

from tests.live.program import Fields, body_of, client_port, is_server
from tests.live.servers import HeaderLines, Seen, digest


def joined(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give header lines as the contract has them: canonical names, repeated ones joined."""
    found: dict[str, str] = {}
    for name, value in lines:
        key = "-".join(part.capitalize() for part in name.split("-"))
        separator = "\n" if key == "Set-Cookie" else ", "
        found[key] = f"{found[key]}{separator}{value}" if key in found else value
    return found


def describe(transaction: Fields) -> Seen:
    """Say what was captured in the words of the server's record."""
    request, response = transaction["request"], transaction["response"]
    return Seen(
        id=request["headers"].get("X-Id", ""),
        port=client_port(transaction),
        method=request["method"],
        target="/" + request["url"].split("/", 3)[3],
        request_headers=sorted(request["headers"].items()),
        request_body=digest(body_of(request)),
        at=0.0,
        status=response["status"],
        response_headers=sorted(response["headers"].items()),
        response_body=digest(body_of(response)),
    )


def expect(seen: Seen) -> Seen:
    """Give the server's record in the form of `describe`."""

    def in_order(lines: HeaderLines) -> HeaderLines:
        return sorted(joined(lines).items())

    return Seen(
        id=seen.id,
        port=seen.port,
        method=seen.method,
        target=seen.target,
        request_headers=in_order(seen.request_headers),
        request_body=seen.request_body,
        at=0.0,
        status=seen.status,
        response_headers=in_order(seen.response_headers),
        response_body=seen.response_body,
    )


def compare(transactions: list[Fields], record: list[Seen]) -> None:
    """See that each exchange of `record` was captured twice, once at each end, equal in everything, and nothing else was."""
    assert [transaction for transaction in transactions if "incomplete" in transaction] == []
    wanted = {seen.id: expect(seen) for seen in record}
    assert len(wanted) == len(record)
    for server_side in (False, True):
        side = [describe(transaction) for transaction in transactions if is_server(transaction) == server_side]
        assert len(side) == len(record)
        for seen in side:
            assert seen == wanted[seen.id]
            headers = dict(seen.response_headers)
            assert (headers["X-Id"], headers["X-Peer-Port"]) == (seen.id, str(seen.port))
        assert {seen.id for seen in side} == set(wanted)
    compare_ends(transactions)


def compare_ends(transactions: list[Fields]) -> None:
    """See that the two transactions of each exchange, and no others, point to each other."""
    by_id = {transaction["metadata"]["request_id"]: transaction for transaction in transactions}
    assert len(by_id) == len(transactions)
    for ident, transaction in by_id.items():
        peer = by_id[transaction["metadata"]["peer_request_id"]]
        assert peer["metadata"]["peer_request_id"] == ident
        assert is_server(peer) != is_server(transaction)
        assert peer["request"]["headers"] == transaction["request"]["headers"]

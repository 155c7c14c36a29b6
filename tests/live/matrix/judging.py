"""What was captured against the server's own record, counted instead of asserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from tests.live.comparing import joined
from tests.live.matrix.cell import Counts
from tests.live.program import Fields, body_of, client_port, is_server
from tests.live.servers import Seen, digest

_UNKNOWN = "‹unknown"
"""Begins the name of a header that a connection seen from its middle cannot resolve; the transaction is marked."""
_MARKS = {"request": "request_headers_unknown", "response": "response_headers_unknown"}


class Terms(msgspec.Struct, frozen=True):
    """What the server's record can say."""

    ignored: frozenset[str] = frozenset()
    """Canonical header names that its library sets or hides."""
    is_partial: bool = False
    """Whether more header lines than it wrote down may be right."""


def judge(transactions: Iterable[Fields], record: Collection[Seen], terms: Terms, examples: list[str]) -> Counts:
    """Count; `record` holds what was to be seen, and the transactions are those of its server only."""
    wanted = {_key(seen.id, seen.method): seen for seen in record}
    assert len(wanted) == len(record), "the server saw a request twice"
    counts, found = Counts(requests=len(record)), Counter[tuple[bool, str]]()
    taken, marked = list(transactions), Counter[tuple[object, ...]]()
    for transaction in taken:
        marks = set(transaction.get("incomplete", ()))
        counts.incomplete += bool(marks - set(_MARKS.values()))
        counts.unknown += bool(marks & set(_MARKS.values()))
        counts.unaddressed += not client_port(transaction)
        wrong = _difference(transaction, wanted, marks, terms)
        if wrong:
            kind, words = wrong
            setattr(counts, kind, getattr(counts, kind) + 1)
            examples.append(f"{kind}: {words}"[:300])
        elif marks - set(_MARKS.values()):
            marked[is_server(transaction), *sorted(marks)] += 1
        else:
            found[is_server(transaction), _name(transaction, wanted)] += 1
    for (at_server, *why), number in marked.items():
        examples.append(f"incomplete: {number} at the {'server' if at_server else 'client'}: {', '.join(map(str, why))}")
    counts.duplicates = sum(number - 1 for number in found.values())
    counts.client, counts.server = (sum(side == server for side, _ in found) for server in (False, True))
    counts.pairings += _misjoined(taken, wanted, examples)
    return counts


def _key(ident: str, method: str) -> str:
    return f"{method} {ident}"


def _name(transaction: Fields, wanted: Collection[str]) -> str:
    """Find the exchange by its request's id, whose header's name may be unknown, else by its response's."""
    method = transaction["request"]["method"]
    for side in ("request", "response"):
        headers: Fields = transaction[side].get("headers", {})
        values = [headers["X-Id"]] if "X-Id" in headers else [v for n, v in headers.items() if n.startswith(_UNKNOWN)]
        for value in values:
            for key in [_key(value, method)] if method else [key for key in wanted if key.endswith(f" {value}")]:
                if key in wanted:
                    return key
        if "X-Id" in headers:
            break
    return ""


def _difference(transaction: Fields, wanted: dict[str, Seen], marks: set[str], terms: Terms) -> tuple[str, str] | None:
    """Give the field of Counts that this transaction adds to, and what it is in words."""
    name = _name(transaction, wanted)
    if not name:
        text = f"{transaction['request']['method']} {transaction['request']['url']} is of no exchange: {sorted(marks)}"
        return None if marks else ("pairings", text)
    seen, request, response = wanted[name], transaction["request"], transaction["response"]
    port = client_port(transaction)
    if port not in (seen.port, 0) or response.get("headers", {}).get("X-Id", seen.id) != seen.id:
        return "pairings", f"{name} of port {seen.port} has port {port} and answers {response.get('headers', {}).get('X-Id')}"
    target = "/" + (*request["url"].split("/", 3), "", "", "", "")[3]
    for captured, true in ((request["method"], seen.method), (target, seen.target), (response["status"], seen.status)):
        if captured != true and not (marks and captured in ("", "/", 0)):
            return "headers", f"{name} has {captured!r} for {true!r}"
    words = _lines_difference(transaction, seen, marks, terms)
    if words:
        return "headers", f"{name} {words}"
    for message, true, side in ((request, seen.request_body, "request"), (response, seen.response_body, "response")):
        if digest(body_of(message)) != true and not _is_marked(marks, side):
            return "bodies", f"{name} {side}: {len(body_of(message))} bytes are not the server's"
    return None


def _lines_difference(transaction: Fields, seen: Seen, marks: set[str], terms: Terms) -> str:
    """Compare headers and trailers."""
    for side, lines in (("request", seen.request_headers), ("response", seen.response_headers)):
        if transaction[side].get("headers") or not marks & {f"{side}_lost", "attached_mid_connection"}:
            words = _header_difference(transaction[side].get("headers", {}), joined(lines), transaction, side, terms)
            if words:
                return f"{side}: {words}"
    # gRPC's trailers stand in the only header block of a response without messages.
    response = transaction["response"]
    last = joined((response.get("trailers") or response.get("headers", {})).items())
    for trailer, value in joined(seen.response_trailers).items():
        if last.get(trailer) != value and not marks:
            return f"trailer: {trailer} is {last.get(trailer)!r}, not {value!r}"
    return ""


def _is_marked(marks: set[str], side: str) -> bool:
    return any(mark.startswith((f"{side}_body", f"{side}_lost")) or mark == "attached_mid_connection" for mark in marks)


def _header_difference(captured: Fields, true: dict[str, str], transaction: Fields, side: str, terms: Terms) -> str:
    ours, theirs = joined(captured.items()), true
    ignored = terms.ignored
    if transaction["request"].get("protocol") == "http2":
        ignored |= {"Host", "Transfer-Encoding"}

    def kept(lines: dict[str, str]) -> dict[str, str]:
        return {n: v for n, v in lines.items() if n not in ignored and not n.startswith((":", _UNKNOWN))}

    ours, theirs = kept(ours), kept(theirs)
    is_unsure = _MARKS[side] in transaction.get("incomplete", ())
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours:
            if not is_unsure:
                return f"no {name}"
        elif name not in theirs:
            if not terms.is_partial:
                return f"{name} is not the server's"
        elif ours[name] != theirs[name] and not (is_unsure and _lines(ours[name]) <= _lines(theirs[name])):
            return f"{name} is {ours[name]!r}, not {theirs[name]!r}"
    return ""


def _lines(value: str) -> set[str]:
    return set(value.replace("\n", ", ").split(", "))


def _misjoined(transactions: list[Fields], wanted: dict[str, Seen], examples: list[str]) -> int:
    """Count transactions that point to an end of another exchange, or to one of the same side."""
    by_id = {one["metadata"]["request_id"]: one for one in transactions}
    wrong = 0
    for one in transactions:
        peer = by_id.get(one["metadata"].get("peer_request_id", ""))
        if peer is None:
            continue
        names = {_name(one, wanted), _name(peer, wanted)} - {""}
        if len(names) > 1 or is_server(one) == is_server(peer):
            wrong += 1
            examples.append(f"pairings: {sorted(names)} are joined")
    return wrong

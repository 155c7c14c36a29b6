"""Run a file of test vectors: `python -m tests.vectors FILE`.

The first line of a file says what it holds; each further line is one case. Prints every case that differs, then a count. Exit
status 0: all pass, 1: some differ, 2: the file cannot be used.
"""

# ruff: noqa: T201 - printing is what this command is for

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qtap.model import Connection, Process, Transaction
from qtap.wire.http1 import Observer

Case = dict[str, Any]
Difference = tuple[object, object]
"""What was expected, and what came instead."""
Check = Callable[[Case, Case], Difference | None]
"""Takes the file's first line and a case."""

BODY_LIMIT = 1 << 24


class Collector:
    """A Listener that keeps what it is told."""

    def __init__(self) -> None:
        self.opened_ones: list[Transaction] = []
        self.finished_ones: list[Transaction] = []

    def opened(self, transaction: Transaction) -> None:
        assert not transaction.finished
        self.opened_ones.append(transaction)

    def finished(self, transaction: Transaction) -> None:
        assert transaction.finished
        assert any(transaction is one for one in self.opened_ones)
        assert all(transaction is not one for one in self.finished_ones)
        self.finished_ones.append(transaction)


def check_http1(_about: Case, case: Case) -> Difference | None:
    """Feed a conversation to the observer; a null in `expect` is a request never seen, or an opaque response."""
    got = [describe(transaction) for transaction in observe(steps(case))]
    wanted = [{**expected, "status": expected.get("status") or 0} for expected in case["expect"]]
    shown = [{key: one[key] for key in want if key in one} for one, want in zip(got, wanted, strict=False)]
    return None if shown == wanted and len(got) == len(wanted) else (wanted, got)


def steps(case: Case) -> Iterator[tuple[bool, list[bytes] | None]]:
    """Give each chunk of a case as (from client, the parts of one call), None for the end of that side."""
    for chunk in case["input"]:
        data = chunk["data"]
        yield chunk["from"] == "client", None if data is None else [base64.b64decode(data)]


def observe(calls: Iterator[tuple[bool, list[bytes] | None]]) -> list[Transaction]:
    """Give the transactions that the observer makes of these calls, all finished."""
    collector = Collector()
    observer = Observer(collector, Connection(id="c", process=Process(pid=1)), BODY_LIMIT)
    at = 0
    for from_client, parts in calls:
        at += 1
        if parts is None:
            observer.close(from_client, at)
            continue
        for index, part in enumerate(parts):
            observer.feed(from_client, part, at, boundary=index == 0)
    observer.end(at + 1, "capture_ended")
    assert len(collector.finished_ones) == len(collector.opened_ones)
    return collector.opened_ones


def describe(transaction: Transaction) -> Case:
    """Put a transaction in the words of `expect`."""
    unseen = transaction.opaque or not transaction.response.head
    return {
        "method": transaction.method or None,
        "target": transaction.target,
        "request_body": base64.b64encode(transaction.request.body).decode(),
        "status": transaction.status,
        "response_body": None if unseen else base64.b64encode(transaction.response.body).decode(),
        "incomplete": list(transaction.incomplete),
    }


CHECKS: dict[str, Check] = {"HTTP/1": check_http1}
"""The check for a file whose first line speaks of the key."""


def run(path: Path) -> int:
    """Run every case of the file and give the exit status."""
    about, *cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    check = next((check for word, check in CHECKS.items() if word in about["about"]), None)
    if check is None:
        print(f"{path}: there is no check for these vectors: {about['about']}", file=sys.stderr)
        return 2
    failed = 0
    for case in cases:
        difference = check(about, case)
        if difference is not None:
            failed += 1
            print(f"{name_of(case)}\n  expected {difference[0]}\n  got      {difference[1]}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def name_of(case: Case) -> str:
    """Give what a reader finds the case by."""
    return str(case.get("name") or case.get("expr"))


def main(arguments: list[str]) -> int:
    """Check the arguments and the file, and run."""
    if len(arguments) != 1:
        print("usage: python -m tests.vectors FILE", file=sys.stderr)
        return 2
    try:
        return run(Path(arguments[0]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{arguments[0]}: not a file of test vectors: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

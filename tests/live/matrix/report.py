"""The table, and the document around it."""

from __future__ import annotations

import platform
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from tests.live.matrix.cell import CONNECTIONS, Cell, Outcome, fault_of

_COLUMNS = (
    *("cell", "client", "server", "TLS", "protocol", "connections", "requests", "client saw", "server saw", "wrong"),
    *("incomplete", "unknown fields", "seconds", ""),
)
_RULE = "|---|---|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|"
_MODES = {"new": "new", "open": "open before"}
Done = Sequence[tuple[Cell, Outcome]]


def table(done: Done) -> str:
    """Give the table in Markdown, a line a run."""
    return "\n".join([f"| {' | '.join(_COLUMNS)} |", _RULE, *(_row(cell, outcome) for cell, outcome in done)])


def _row(cell: Cell, outcome: Outcome) -> str:
    fixed = [cell.name, cell.client, cell.server, cell.tls, cell.protocol, _MODES[outcome.mode]]
    if outcome.absent:
        return f"| {' | '.join([*fixed, *[''] * 7])} | not run: {outcome.absent} |"
    counts = outcome.counts
    seen = [counts.requests, counts.client, counts.server]
    numbers = [*seen, counts.wrong, counts.incomplete, counts.unknown, round(outcome.seconds)]
    lost = f"{counts.lost} records lost by the ring" if counts.lost else ""
    fault = fault_of(cell, outcome)
    is_short = min(counts.client, counts.server) < counts.requests
    words = "; ".join(filter(None, [f"**fault: {fault}**" if fault else "", lost, cell.why if is_short else ""]))
    return f"| {' | '.join([*fixed, *map(str, numbers)])} | {words} |"


_TEXT = """# What is seen of which programs

Written by `make matrix`. Each row is a client that made 211 requests of mixed methods, sizes, framings and headers, and a
server that wrote down what it saw and said: headers, digests of the bodies, the client's port. The program captured both at
once, and every transaction it printed was compared with that record. Connections are *new*, opened under capture (where a
client keeps connections there are {connections} at a time, each opened with a request of its own, so that 261 are counted), or
were *open before* capture began.

*Client saw* and *server saw* count the exchanges that were captured at that end whole and equal to the record. *Wrong* counts
transactions that pair a request with another's response or address, have a header or a body that the server does not, or came
twice, with no mark that says so; it must be 0 everywhere. One whose addresses are not known is a fault, too. *Incomplete* ones
lack something and are marked. *Unknown fields*: HTTP/2 lets a header refer to one that was sent before capture began; what it
was cannot be known, so it is marked, and the rest of the transaction is whole.

{table}

## Where less is seen, and why

{reasons}

## What no row shows

Programs that carry BoringSSL without symbols and without a table of their functions (Chrome, Bun); `qtap-tui doctor --pid`
says so of them. And Firefox, of which this says nothing.

rustls in a program without symbols (`strip = true`) is not seen. Rust keeps no table of its functions, as Go does, and each
build compiles and inlines rustls anew, so that no byte pattern would be sure. `qtap-tui doctor --pid` says so of a process,
and `plaintext_not_seen` of a connection.

## Versions

{versions}
"""


def document(done: Done) -> str:
    """Give docs/coverage.md."""
    reasons: dict[str, list[str]] = {}
    for cell, _ in done:
        if cell.why:
            names = reasons.setdefault(cell.why, [])
            names.extend([cell.name] if cell.name not in names else [])
    lines = [f"- {', '.join(names)}: {why}." for why, names in reasons.items()]
    versions = "\n".join(f"- {name} {what}" for name, what in _versions())
    return _TEXT.format(connections=CONNECTIONS, table=table(done), reasons="\n".join(lines), versions=versions)


_COMMANDS = {
    "curl": "--version",
    "nginx": "-v",
    "node": "--version",
    "wget": "--version",
    "git": "--version",
    "java": "-version",
    "rustc": "--version",
}
_PACKAGES = ("aiohttp", "grpcio", "h2", "httpx", "hypercorn", "requests", "uvicorn", "websockets")


def _versions() -> Iterator[tuple[str, str]]:
    yield "Linux", platform.release()
    yield "Python", platform.python_version()
    yield "OpenSSL", ssl.OPENSSL_VERSION.split()[1]
    for name, option in _COMMANDS.items():
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program:
            done = subprocess.run([program, option], capture_output=True, text=True, check=False)
            found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
            yield name, found[0] if found else "of unknown version"
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "is not installed"

"""What a cell of the matrix is, and what comes of running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

Mode = Literal["new", "open"]
"""Whether the connections are opened under capture, or were open before it began."""


class Bench(msgspec.Struct, frozen=True):
    """What the cells of one run share."""

    certificate: Path
    """Of loopback, its own authority, with its key."""
    folder: Path
    """For files of this run."""
    cache: Path
    """For what is built once and kept."""


class Counts(msgspec.Struct):
    """What was captured against the server's record. `client` and `server` count exchanges seen whole and true at that end."""

    requests: int = 0
    client: int = 0
    server: int = 0
    pairings: int = 0
    """Transactions whose request, response and addresses are not of one exchange, or that are joined to another's other end."""
    headers: int = 0
    """Transactions with a header, method, target or status that the server has otherwise."""
    bodies: int = 0
    """Transactions with another body, and no mark that says so."""
    duplicates: int = 0
    incomplete: int = 0
    """Transactions of which something is missing, and that are marked so."""
    unknown: int = 0
    """Transactions with a header that refers to what the connection said before capture began, and that are marked so: the
    rest of them is whole, and they count as seen."""
    unaddressed: int = 0
    """Transactions whose connection's addresses are not known."""
    lost: int = 0
    """Records that the program itself says it lost."""

    @property
    def wrong(self) -> int:
        return self.pairings + self.headers + self.bodies + self.duplicates


class Outcome(msgspec.Struct):
    """One run of one cell. `failure` says that it did not come to counting, and why."""

    cell: str
    mode: Mode
    counts: Counts
    seconds: float = 0.0
    absent: str = ""
    """What is not installed here."""
    failure: str = ""
    examples: list[str] = []
    """The first few differences, in words."""


class Cell(msgspec.Struct, frozen=True):
    """A client and a server, as data; `run` makes their traffic and judges it."""

    name: str
    client: str
    server: str
    tls: str
    protocol: str
    run: Callable[[Bench, Mode, Outcome], None]
    modes: tuple[Mode, ...] = ("new", "open")
    ends: tuple[str, ...] = ("client", "server")
    """Where the exchange can be seen; the program at the other end is told of in `why`."""
    late: tuple[str, ...] = ()
    """Ends that wait inside a read of their TLS library when the probes come: there, an exchange of each connection may be
    missing."""
    why: str = ""
    """In words, why an end is not seen or not completely."""
    absent: Callable[[], str] = lambda: ""
    """What of its tools is missing here, and how to get it; empty when nothing is."""


CONNECTIONS = 50


def fault_of(cell: Cell, outcome: Outcome) -> str:
    """Say in words what is not as stated; what the program itself counted as lost is no fault, but told."""
    counts = outcome.counts
    if outcome.failure:
        return outcome.failure
    found = [
        f"{number} {what}"
        for what, number in (
            ("wrong pairings", counts.pairings),
            ("wrong headers", counts.headers),
            ("wrong bodies", counts.bodies),
            ("duplicates", counts.duplicates),
            ("without addresses", counts.unaddressed),
        )
        if number
    ]
    for end in cell.ends if not counts.lost else ():
        seen = counts.client if end == "client" else counts.server
        spared = CONNECTIONS if outcome.mode == "open" and end in cell.late else 0
        if seen < counts.requests - spared:
            found.append(f"{counts.requests - seen} not seen at the {end}")
    return ", ".join(found)

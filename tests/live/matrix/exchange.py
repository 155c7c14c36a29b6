"""Cells of requests and responses: start both ends, capture, and judge."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

import msgspec

from tests.live.asking import COUNT, Ask, asks
from tests.live.matrix.cell import CONNECTIONS, Bench, Mode, Outcome
from tests.live.matrix.judging import Terms, judge
from tests.live.program import Capture, Fields
from tests.live.servers import Seen


class Serving(Protocol):
    """A running server."""

    @property
    def url(self) -> str: ...

    def wait_for(self, capture: Capture) -> None:
        """Wait until the program is known to capture it."""

    def record(self) -> list[Seen]:
        """End it, and give what it saw."""


class Asking(Protocol):
    """A client that is started but has asked nothing yet."""

    def open(self) -> None:
        """Open every connection."""

    def wait_for(self, capture: Capture) -> None:
        """Wait until the program is known to capture it."""

    def ask(self) -> None:
        """Ask everything, and end."""


class Order(msgspec.Struct, frozen=True):
    """What a client is to do."""

    url: str
    asks: tuple[Ask, ...]
    connections: int
    folder: Path


ServerOf = Callable[[Bench], AbstractContextManager[Serving]]
ClientOf = Callable[[Bench, Order], AbstractContextManager[Asking]]


class Exchange(msgspec.Struct, frozen=True):
    """What `Cell.run` needs of a client and a server."""

    client: ClientOf
    server: ServerOf
    options: tuple[str, ...] = ()
    """Of the program."""
    is_ours: bool = True
    """Whether its processes are children of this one; else all of the host are captured."""
    known: bool = True
    """Whether their files have probes when the program is ready; else the same two run already, since what a program does while
    its file is seen for the first time is another test's matter."""
    terms: Terms = Terms()
    asks: Callable[[str], Iterable[Ask]] = asks

    def __call__(self, bench: Bench, mode: Mode, outcome: Outcome) -> None:
        """Run it, and write into `outcome` what came of it."""
        ident = "".join(c if c.isalnum() else "-" for c in f"{outcome.cell}-{mode}")
        with ExitStack() as stack:
            if mode == "new" and not self.known:
                self._start(bench, (), 1, stack)[1].open()
            server, client = self._start(bench, tuple(self.asks(ident)), CONNECTIONS, stack)
            if mode == "open":
                client.open()
            options = ("--ring-size", "256MB", "--http-buffer-size", "8MB", *self.options)
            capture = stack.enter_context(Capture(*options, only_us=self.is_ours))
            server.wait_for(capture)
            client.wait_for(capture)
            if mode == "new":
                client.open()
            client.ask()
            url, record = server.url, server.record()
            capture.stop()
        self._judge(url, record, mode, capture, outcome)

    def _start(self, bench: Bench, wanted: Sequence[Ask], connections: int, stack: ExitStack) -> tuple[Serving, Asking]:
        server = stack.enter_context(self.server(bench))
        folder = Path(tempfile.mkdtemp(dir=bench.folder))
        return server, stack.enter_context(self.client(bench, Order(server.url, tuple(wanted), connections, folder)))

    def _judge(self, url: str, record: list[Seen], mode: Mode, capture: Capture, outcome: Outcome) -> None:
        expected = [seen for seen in record if mode == "new" or not seen.id.startswith("open-")]
        if len([seen for seen in expected if not seen.id.startswith("open-")]) != COUNT:
            outcome.failure = f"the server saw {len(expected)} requests"
            return
        ours = [one for one in capture.transactions if _is_of(one, url)]
        outcome.counts = judge(ours, expected, self.terms, outcome.examples)
        outcome.counts.lost = sum(int(loss.get("count", 1)) for loss in capture.of("loss"))


def _is_of(transaction: Fields, url: str) -> bool:
    """Whether the server of `url` is an end of it, or an end is not known."""
    address = url.partition("://")[2]
    ends = {transaction["metadata"].get(name, "") for name in ("local_address", "remote_address")}
    return address in ends or ends <= {"", ":0"}

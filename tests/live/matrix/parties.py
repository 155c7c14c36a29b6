"""Clients and servers as the exchanges of the matrix need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tests.live.ends import ClientProgram, Command, ServerProgram, serving
from tests.live.http2_ends import http2_server
from tests.live.matrix.cell import Bench
from tests.live.matrix.exchange import Asking, ClientOf, Order, ServerOf, Serving
from tests.live.program import Capture
from tests.live.servers import Seen, recorder

CommandOf = Callable[[Bench], Command]


class _Recorder(Protocol):
    url: str
    seen: list[Seen]


class InProcess(Serving):
    """A server in threads of this process."""

    def __init__(self, server: _Recorder) -> None:
        self._server = server

    @property
    def url(self) -> str:
        return self._server.url

    def wait_for(self, capture: Capture) -> None:
        pass

    def record(self) -> list[Seen]:
        return list(self._server.seen)


class Apart(Serving):
    """A server in a process of its own."""

    def __init__(self, program: ServerProgram) -> None:
        self._program = program

    @property
    def url(self) -> str:
        return self._program.url

    def wait_for(self, capture: Capture) -> None:
        pass

    def record(self) -> list[Seen]:
        return self._program.end()


def python_http1(*, tls: bool = True) -> ServerOf:
    """Give http.server, in threads."""

    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        with recorder(bench.certificate if tls else None) as server:
            yield InProcess(server)

    return start


def python_http2(*, tls: bool = True) -> ServerOf:
    """Give the tests' own server on h2, in threads."""

    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        with http2_server(bench.certificate if tls else None) as server:
            yield InProcess(server)

    return start


def server(command: CommandOf, kind: str = "", *, tls: bool = True) -> ServerOf:
    """Give a program that serves as `tests.live.ends` has it."""

    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        with serving(command(bench), bench.certificate if tls else "", kind) as program:
            yield Apart(program)

    return start


class Keeping(Asking):
    """A client that keeps its connections."""

    def __init__(self, start: Callable[[], ClientProgram]) -> None:
        self._start = start
        self.program: ClientProgram | None = None

    def open(self) -> None:
        self.program = self._start()

    def wait_for(self, capture: Capture) -> None:
        pass

    def ask(self) -> None:
        assert self.program is not None
        self.program.finish()


def client(command: CommandOf, kind: str = "") -> ClientOf:
    """Give a program that asks as `tests.live.ends` has it."""

    @contextmanager
    def start(bench: Bench, order: Order) -> Iterator[Asking]:
        def run() -> ClientProgram:
            connections = order.connections
            return ClientProgram(
                command(bench), bench.certificate, order.url, order.asks, order.folder, kind=kind, connections=connections
            )

        keeping = Keeping(run)
        try:
            yield keeping
        finally:
            if keeping.program:
                keeping.program.kill()

    return start


class Once(Asking):
    """A client that is a process, or several, and gone when it has asked."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run

    def open(self) -> None:
        pass

    def wait_for(self, capture: Capture) -> None:
        pass

    def ask(self) -> None:
        self._run()


def once(run: Callable[[Order, Path], None]) -> ClientOf:
    """Give a client that `run` is: it is handed the order and the certificate."""

    def start(bench: Bench, order: Order) -> AbstractContextManager[Asking]:
        return _started(Once(lambda: run(order, bench.certificate)))

    return start


@contextmanager
def _started(asking: Asking) -> Iterator[Asking]:
    yield asking

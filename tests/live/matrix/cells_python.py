"""Cells of Python's clients and servers, and of curl."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.live.asking import COUNT, Ask, in_python, with_curl
from tests.live.command_clients import with_curl_http2
from tests.live.ends import Command
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.exchange import Exchange, Order
from tests.live.matrix.parties import client, once, python_http1, python_http2, server

OPENSSL = "OpenSSL 3, libssl"
MEMORY = "OpenSSL 3, memory BIOs"
THREADS = "a server's thread waits inside SSL_read when the probes come, and is seen from its answer on"


def needs(*packages: str) -> Callable[[], str]:
    """Say which of these Python packages are not here."""

    def absent() -> str:
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        return f"no {', '.join(missing)} for Python (.ci/setup matrix)" if missing else ""

    return absent


def python(module: str, name: str) -> Callable[[Bench], Command]:
    return lambda _: [sys.executable, "-m", f"tests.live.matrix.{module}", name]


def asker(name: str) -> Callable[[Bench], Command]:
    return python("python_clients", name)


def host(name: str) -> Callable[[Bench], Command]:
    return python("python_servers", name)


def _curl(*options: str) -> Exchange:
    def run(order: Order, certificate: Path) -> None:
        with_curl(order.url, certificate, order.asks[0].id.rpartition("-")[0], order.folder, *options)

    return Exchange(once(run), python_http1())


def _curl_http2(option: str, *, tls: bool) -> Exchange:
    return Exchange(
        once(lambda order, certificate: with_curl_http2(order.url, certificate, order.asks, order.folder, option)),
        python_http2(tls=tls),
    )


def _urllib(order: Order, certificate: Path) -> None:
    in_python("urllib", order.url, certificate, order.asks[0].id.rpartition("-")[0])


def _events(ident: str) -> Iterable[Ask]:
    for n in range(COUNT):
        name = f"{ident}-{n}"
        yield Ask(name, "GET", f"/events?events={n % 40 + 1}", (("X-Id", name),), None, chunked=False, new_connection=False)


CELLS = [
    Cell("curl", "curl", "http.server", OPENSSL, "HTTP/1.1", _curl(), modes=("new",)),
    Cell("curl-h2", "curl", "h2", OPENSSL, "HTTP/2", _curl_http2("--http2", tls=True), modes=("new",)),
    Cell("curl-h2c", "curl", "h2", "none", "HTTP/2", _curl_http2("--http2-prior-knowledge", tls=False), modes=("new",)),
    Cell("urllib", "urllib", "http.server", OPENSSL, "HTTP/1.1", Exchange(once(_urllib), python_http1()), modes=("new",)),
    Cell(
        "requests",
        "requests",
        "http.server",
        OPENSSL,
        "HTTP/1.1",
        Exchange(client(asker("requests")), python_http1()),
        late=("server",),
        why=THREADS,
        absent=needs("requests"),
    ),
    Cell(
        "requests-plain",
        "requests",
        "http.server",
        "none",
        "HTTP/1.1",
        Exchange(client(asker("requests")), python_http1(tls=False)),
        absent=needs("requests"),
    ),
    Cell(
        "aiohttp",
        "aiohttp",
        "aiohttp",
        MEMORY,
        "HTTP/1.1",
        Exchange(client(asker("aiohttp")), server(host("aiohttp"))),
        absent=needs("aiohttp"),
    ),
    Cell(
        "uvicorn",
        "aiohttp",
        "uvicorn",
        MEMORY,
        "HTTP/1.1",
        Exchange(client(asker("aiohttp")), server(host("uvicorn"))),
        absent=needs("aiohttp", "uvicorn"),
    ),
    Cell(
        "httpx",
        "httpx",
        "hypercorn",
        "OpenSSL 3, libssl and memory BIOs",
        "HTTP/1.1",
        Exchange(client(asker("httpx")), server(host("hypercorn"))),
        absent=needs("httpx", "hypercorn"),
    ),
    Cell(
        "httpx-h2",
        "httpx",
        "hypercorn",
        MEMORY,
        "HTTP/2",
        Exchange(client(asker("httpx-http2")), server(host("hypercorn"))),
        absent=needs("httpx", "h2", "hypercorn"),
    ),
    Cell(
        "events",
        "aiohttp",
        "aiohttp",
        MEMORY,
        "server-sent events",
        Exchange(client(asker("aiohttp")), server(host("aiohttp")), asks=_events),
        absent=needs("aiohttp"),
    ),
    Cell(
        "events-plain",
        "aiohttp",
        "uvicorn",
        "none",
        "server-sent events",
        Exchange(client(asker("aiohttp")), server(host("uvicorn"), tls=False), asks=_events),
        absent=needs("aiohttp", "uvicorn"),
    ),
    Cell(
        "events-h2",
        "httpx",
        "hypercorn",
        MEMORY,
        "server-sent events over HTTP/2",
        Exchange(client(asker("httpx-http2")), server(host("hypercorn")), asks=_events),
        absent=needs("httpx", "h2", "hypercorn"),
    ),
]

"""The requests of a test, and the programs that make them. Run as one of those: `requests URL CERTIFICATE IDENT COUNT`."""

from __future__ import annotations

import itertools
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.live.servers import body_for

COUNT = 211
"""A prime, so that nothing that counts in bundles comes out right by chance."""
_METHODS = ("GET", "POST", "GET", "PUT", "HEAD")
_SIZES = (0, 1, 1_000, 20_000, 1_000, 300_000, 1)
_ODD_HEADERS = (
    (("x-oDD-cAsE", "Kept As It Is"),),
    (("X-Repeat", "a"), ("X-Repeat", "b"), ("x-repeat", "c, d")),
    (("X-Punctuation", '"[bold]" \\ {}; =?:'),),
    (("X-Long", "v" * 3000),),
)


class Ask(msgspec.Struct, frozen=True):
    """One request."""

    id: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    chunked: bool
    new_connection: bool


def asks(ident: str, count: int = COUNT) -> Iterator[Ask]:
    """Mix methods, sizes, framings, headers and connections: each cycle has another length, so that every pair occurs."""
    for n in range(count):
        method, size = _METHODS[n % 5], _SIZES[n % 7]
        status = (200, 201, 404, 503)[n // 4 % 4]
        name = f"{ident}-{n}"
        yield Ask(
            id=name,
            method=method,
            path=f"/mix/{n}?q=a%20b&size={_SIZES[n * 3 % 7]}&status={status}&chunked={n % 3 // 2}",
            headers=(("X-Id", name), *_ODD_HEADERS[n % 4]),
            body=body_for(name, size) if method in ("POST", "PUT") else None,
            chunked=n % 11 < 4,
            new_connection=n % 13 == 0,
        )


def with_curl(
    url: str, certificate: Path, ident: str, folder: Path, *options: str, curl: tuple[str | Path, ...] = ("curl",)
) -> None:
    """Ask with curl, several requests of each process on one connection."""
    bundles: list[list[Ask]] = []
    for ask in asks(ident):
        if ask.new_connection or len(bundles[-1]) == 6:
            bundles.append([])
        bundles[-1].append(ask)
    common = ["--silent", "--show-error", "--http1.1", "--cacert", str(certificate), "--output", "/dev/null", *options]

    def run(bundle: list[Ask]) -> None:
        arguments = [[*common, *_curl(ask, folder), url + ask.path] for ask in bundle]
        subprocess.run([*curl, "--disable", *itertools.chain(*_between(arguments, ["--next"]))], check=True)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, bundles))


def _between(parts: list[list[str]], divider: list[str]) -> list[list[str]]:
    return [piece for part in parts for piece in (divider, part)][1:]


def _curl(ask: Ask, folder: Path) -> list[str]:
    options = ["--head"] if ask.method == "HEAD" else ["--request", ask.method]
    for name, value in ask.headers:
        options += ["--header", f"{name}: {value}"]
    if ask.body is not None:
        file = folder / ask.id
        file.write_bytes(ask.body)
        options += ["--data-binary", f"@{file}"]
        if ask.chunked:
            options += ["--header", "Transfer-Encoding: chunked"]
    return options


def with_requests(url: str, certificate: str, ident: str, count: int) -> None:
    """Ask with requests; a session for every connection."""
    import requests  # noqa: PLC0415 - only here

    session = requests.Session()
    for ask in asks(ident, count):
        if ask.new_connection:
            session.close()
            session = requests.Session()
        body = iter([ask.body[:100], ask.body[100:]]) if ask.body and ask.chunked and len(ask.body) > 100 else ask.body
        session.request(ask.method, url + ask.path, headers=dict(ask.headers), data=body, verify=certificate).close()
    session.close()


def with_urllib(url: str, certificate: str, ident: str, count: int) -> None:
    """Ask with urllib, which opens a connection for every request."""
    import ssl  # noqa: PLC0415 - only here

    context = ssl.create_default_context(cafile=certificate)
    handlers = [urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})]
    opener = urllib.request.OpenerDirector()
    for handler in [*handlers, urllib.request.HTTPHandler()]:
        opener.add_handler(handler)
    for ask in asks(ident, count):
        body = iter([ask.body[:100], ask.body[100:]]) if ask.body and ask.chunked and len(ask.body) > 100 else ask.body
        request = urllib.request.Request(url + ask.path, body, dict(ask.headers), method=ask.method)  # noqa: S310 - our own
        response = opener.open(request)
        assert response is not None
        response.read()
        response.close()


def in_python(name: str, url: str, certificate: Path, ident: str, count: int = COUNT) -> None:
    """Run `with_requests` or `with_urllib` in a process of its own."""
    subprocess.run([sys.executable, "-m", __name__, name, url, certificate, ident, str(count)], check=True)


if __name__ == "__main__":
    clients: dict[str, Callable[[str, str, str, int], None]] = {"requests": with_requests, "urllib": with_urllib}
    client, url, certificate, ident, count = sys.argv[1:]
    clients[client](url, certificate, ident, int(count))

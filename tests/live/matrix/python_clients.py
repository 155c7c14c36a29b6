"""Clients in Python, as `tests.live.ends` has them: `NAME ask CERTIFICATE KIND URL CONNECTIONS FILE`."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from tests.live.asking import Ask

Send = Callable[[Ask], None]
SendLater = Callable[[Ask], Awaitable[None]]


def _opening(number: int) -> Ask:
    return Ask(
        f"open-{number}", "GET", "/open?size=10", (("X-Id", f"open-{number}"),), None, chunked=False, new_connection=True
    )


def _pieces(ask: Ask) -> Any:  # noqa: ANN401 - what each library takes for a body
    return iter([ask.body[:100], ask.body[100:]]) if ask.body and ask.chunked and len(ask.body) > 100 else ask.body


def _say_open() -> None:
    sys.stdout.write("open\n")
    sys.stdout.flush()


def in_threads(new: Callable[[], Send], asks: Sequence[Ask], connections: int) -> None:
    """Ask with a thread a connection."""
    with ThreadPoolExecutor(connections) as pool:

        def begin(number: int) -> Send:
            send = new()
            send(_opening(number))
            return send

        senders = list(pool.map(begin, range(connections)))
        _say_open()
        sys.stdin.readline()

        def share(number: int) -> None:
            for ask in asks[number::connections]:
                senders[number](ask)

        list(pool.map(share, range(connections)))


async def in_tasks(new: Callable[[], SendLater], asks: Sequence[Ask], connections: int) -> None:
    """Ask with a task a connection."""
    senders = [new() for _ in range(connections)]
    await asyncio.gather(*(send(_opening(number)) for number, send in enumerate(senders)))
    _say_open()
    await asyncio.to_thread(sys.stdin.readline)

    async def share(number: int) -> None:
        for ask in asks[number::connections]:
            await senders[number](ask)

    await asyncio.gather(*(share(number) for number in range(connections)))


def requests_sender(certificate: str, url: str) -> Send:
    import requests  # noqa: PLC0415 - only here

    session = requests.Session()

    def send(ask: Ask) -> None:
        session.request(ask.method, url + ask.path, headers=dict(ask.headers), data=_pieces(ask), verify=certificate).close()

    return send


def httpx_sender(certificate: str, url: str) -> Send:
    import httpx  # noqa: PLC0415 - only here

    client = httpx.Client(verify=ssl.create_default_context(cafile=certificate), trust_env=False, timeout=60)

    def send(ask: Ask) -> None:
        client.request(ask.method, url + ask.path, headers=list(ask.headers), content=_pieces(ask))

    return send


def httpx_http2_sender(certificate: str, url: str) -> SendLater:
    import httpx  # noqa: PLC0415 - only here

    context = ssl.create_default_context(cafile=certificate)
    client = httpx.AsyncClient(http1=False, http2=True, verify=context, trust_env=False, timeout=60)

    async def send(ask: Ask) -> None:
        await client.request(ask.method, url + ask.path, headers=list(ask.headers), content=ask.body)

    return send


def aiohttp_sender(certificate: str, url: str) -> SendLater:
    import aiohttp  # noqa: PLC0415 - only here

    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate), limit=1)
    session = aiohttp.ClientSession(connector=connector)

    async def send(ask: Ask) -> None:
        body = _later(ask) if ask.body and ask.chunked else ask.body
        async with session.request(ask.method, url + ask.path, headers=list(ask.headers), data=body) as response:
            await response.read()

    return send


async def _later(ask: Ask) -> Any:  # noqa: ANN401 - an asynchronous generator
    for piece in _pieces(ask):
        yield piece if isinstance(piece, bytes) else bytes([piece])


def main(name: str, certificate: str, url: str, connections: int, file: str) -> None:
    asks = msgspec.json.decode(Path(file).read_bytes(), type=list[Ask])
    threaded = {"requests": requests_sender, "httpx": httpx_sender}
    if name in threaded:
        in_threads(lambda: threaded[name](certificate, url), asks, connections)
        return
    later = {"httpx-http2": httpx_http2_sender, "aiohttp": aiohttp_sender}

    async def run() -> None:
        await in_tasks(lambda: later[name](certificate, url), asks, connections)

    asyncio.run(run())


if __name__ == "__main__":
    name, _, certificate, _, url, connections, file = sys.argv[1:]
    main(name, certificate, url, int(connections), file)
    os._exit(0)  # with its connections open, as a killed program

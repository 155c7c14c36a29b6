"""Programs whose TLS library works in memory: aiohttp's server and client. Run as one: `server CERTIFICATE` or `client URL ...`.

The server prints its URL. The client opens its connections, prints a line, waits for a line, and asks the rest.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Awaitable, Callable

from tests.live.servers import body_for

CONNECTIONS = 50
_SIZES = (0, 10, 3_000, 40_000)


async def _answer(request: object) -> object:
    from aiohttp import web  # noqa: PLC0415 - only here

    assert isinstance(request, web.Request)
    await request.read()
    assert request.transport is not None
    port = request.transport.get_extra_info("peername")[1]
    ident = request.headers["X-Id"]
    headers = {"X-Id": ident, "X-Peer-Port": str(port)}
    return web.Response(body=body_for(f"answer {ident}", int(request.query["size"])), headers=headers)


async def serve(certificate: str) -> None:
    """Serve until stdin ends."""
    from aiohttp import web  # noqa: PLC0415 - only here

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", _answer)  # type: ignore[arg-type]
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    print(f"https://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await runner.cleanup()


async def ask(url: str, certificate: str, ident: str, count: str) -> None:
    """Ask `count` times, on connections that are all open at once; one request opens each."""
    import aiohttp  # noqa: PLC0415 - only here

    context = ssl.create_default_context(cafile=certificate)
    sessions = [aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=1)) for _ in range(CONNECTIONS)]

    async def one(number: int, name: str) -> None:
        size = _SIZES[number % len(_SIZES)]
        body = body_for(name, size) if number % 3 else None
        async with sessions[number % CONNECTIONS].request(
            "POST" if body else "GET", f"{url}/{name}?size={size}", data=body, headers={"X-Id": name}
        ) as response:
            await response.read()

    await asyncio.gather(*(one(number, f"{ident}-open-{number}") for number in range(CONNECTIONS)))
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(one(number, f"{ident}-{number}") for number in range(int(count))))
    for session in sessions:
        await session.close()


if __name__ == "__main__":
    programs: dict[str, Callable[..., Awaitable[None]]] = {"server": serve, "client": ask}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]

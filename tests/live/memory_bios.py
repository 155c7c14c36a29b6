"""Programs whose TLS library works in memory. Run as a server, `aiohttp` or `uvicorn`, or as a `client`.

A server writes its URL, then serves until a line comes. The client opens its connections, writes a line, waits for one, and
asks the rest.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.live.servers import body_for

CONNECTIONS = 50
_SIZES = (0, 10, 3_000, 40_000)


def asked_size(number: int) -> int:
    """Give the size of the body that request `number` sends when it is a POST, and of its answer."""
    return _SIZES[number % len(_SIZES)]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _told() -> None:
    await asyncio.to_thread(sys.stdin.readline)


def _headers(ident: str, port: int) -> dict[str, str]:
    return {"X-Id": ident, "X-Peer-Port": str(port)}


async def serve_aiohttp(certificate: str) -> None:
    from aiohttp import web  # noqa: PLC0415 - only here

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        ident, port = request.headers["X-Id"], request.transport.get_extra_info("peername")[1]
        return web.Response(body=body_for(f"answer {ident}", int(request.query["size"])), headers=_headers(ident, port))

    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    _say(f"https://127.0.0.1:{runner.addresses[0][1]}")
    await _told()
    await runner.cleanup()


async def serve_uvicorn(certificate: str) -> None:
    import uvicorn  # noqa: PLC0415 - only here

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's types
        while (await receive()).get("more_body"):
            pass
        ident = dict(scope["headers"])[b"x-id"].decode()
        headers = [(name.encode(), value.encode()) for name, value in _headers(ident, scope["client"][1]).items()]
        body = body_for(f"answer {ident}", int(scope["query_string"].removeprefix(b"size=")))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    server = uvicorn.Server(
        uvicorn.Config(answer, "127.0.0.1", 0, ssl_certfile=certificate, lifespan="off", http="h11", log_level="critical")
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.01)
    _say(f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    await _told()
    server.should_exit = True
    await running


async def ask(url: str, certificate: str, ident: str, count: str) -> None:
    """Ask `count` times, on connections that are all open at once and kept."""
    import aiohttp  # noqa: PLC0415 - only here

    context = ssl.create_default_context(cafile=certificate)
    sessions = [aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=1)) for _ in range(CONNECTIONS)]

    async def one(number: int, name: str) -> None:
        size = asked_size(number)
        method, body = ("POST", body_for(name, size)) if number % 3 else ("GET", None)
        target = f"{url}/{name}?size={size}"
        async with sessions[number % CONNECTIONS].request(method, target, data=body, headers={"X-Id": name}) as response:
            await response.read()

    await asyncio.gather(*(one(number, f"{ident}-open-{number}") for number in range(CONNECTIONS)))
    _say("open")
    await _told()
    await asyncio.gather(*(one(number, f"{ident}-{number}") for number in range(int(count))))
    for session in sessions:
        await session.close()


if __name__ == "__main__":
    programs: dict[str, Callable[..., Awaitable[None]]] = {"aiohttp": serve_aiohttp, "uvicorn": serve_uvicorn, "client": ask}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]

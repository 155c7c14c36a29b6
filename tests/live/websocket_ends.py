"""WebSocket servers and clients of two packages, with a record of what was said. As a program: `client|server KIND …`."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.live.program import Fields
from tests.live.wires import server_context

COUNT = 211
_SIZES = (0, 1, 100, 125, 126, 1000, 20_000, 65_535, 65_536, 300)


def said(n: int) -> str | bytes:
    """Give message `n` of the client: no two alike, text and binary, of every length form."""
    text = f"{n} " + f"the same words, number {n}, again and again; " * (_SIZES[n % len(_SIZES)] // 40)
    return text.encode() + b"\xff\x00" if n % 5 == 4 else text


def answer_to(message: str | bytes) -> str | bytes:
    return b"answer " + message[:5000] if isinstance(message, bytes) else "answer " + message[:5000]


async def serve_websockets(*, compressed: bool, context: ssl.SSLContext | None) -> None:
    record: list[str] = []

    async def echo(end: ServerConnection) -> None:
        async for message in end:
            record.append(spelled(message))
            await end.send(answer_to(message))
        _tell({"seen": record})

    async with serve(echo, "127.0.0.1", 0, compression="deflate" if compressed else None, ssl=context) as server:
        _tell({"port": next(iter(server.sockets)).getsockname()[1]})
        await asyncio.to_thread(sys.stdin.read)


async def serve_aiohttp(*, compressed: bool, context: ssl.SSLContext | None) -> None:
    record: list[str] = []

    async def echo(request: web.Request) -> web.WebSocketResponse:
        end = web.WebSocketResponse(compress=compressed)
        await end.prepare(request)
        async for message in end:
            record.append(spelled(message.data))
            answer = answer_to(message.data)
            await (end.send_str(answer) if isinstance(answer, str) else end.send_bytes(answer))
        _tell({"seen": record})
        return end

    app = web.Application()
    app.router.add_get("/{any:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    _tell({"port": runner.addresses[0][1]})
    await asyncio.to_thread(sys.stdin.read)


async def ask_websockets(url: str, *, compressed: bool, context: ssl.SSLContext | None) -> None:
    more: dict[str, Any] = {"ssl": context} if context else {}
    async with connect(url, compression="deflate" if compressed else None, proxy=None, **more) as end:
        for n in range(COUNT):
            await end.send(said(n))
            assert await end.recv() == answer_to(said(n))
        await (await end.ping(b"well?"))
        await end.send(["in ", "three ", "fragments"])
        await end.recv()


async def ask_aiohttp(url: str, *, compressed: bool, context: ssl.SSLContext | None) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, compress=15 if compressed else 0, ssl=context or True) as end,
    ):
        for n in range(COUNT):
            message = said(n)
            await (end.send_str(message) if isinstance(message, str) else end.send_bytes(message))
            assert (await end.receive()).data == answer_to(message)


def answers() -> list[str | bytes]:
    """What the server says to all that the client does, in order."""
    return [answer_to(message) for message in [*map(said, range(COUNT)), "in three fragments"]]


def texts(transaction: Fields, end: str) -> list[str]:
    """The data messages of one end, as the server's record spells them."""
    chosen = [m for m in transaction["websocket"]["messages"] if m["from"] == end and m["type"] in ("text", "binary")]
    bodies = [(message["type"], base64.b64decode(message.get("body", ""))) for message in chosen]
    return [body.decode() if kind == "text" else body.hex() for kind, body in bodies]


def spelled(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.hex()


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the test reads it


def main(role: str, package: str, compressed: bool, certificate: str, url: str = "") -> None:
    context = None
    if certificate:
        context = server_context(Path(certificate)) if role == "server" else ssl.create_default_context(cafile=certificate)
    if role == "server":
        run = serve_websockets if package == "websockets" else serve_aiohttp
        asyncio.run(run(compressed=compressed, context=context))
    else:
        ask = ask_websockets if package == "websockets" else ask_aiohttp
        asyncio.run(ask(url, compressed=compressed, context=context))


if __name__ == "__main__":
    role, package, compressed, certificate, *rest = sys.argv[1:]
    main(role, package, compressed == "compressed", certificate, *rest)

"""Servers in Python that write down what they saw, as `tests.live.ends` has them: `NAME serve CERTIFICATE KIND`.

They answer `?size=N&status=N&chunked=1&events=1`: with `events`, the body is a stream of server-sent events.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tests.live.servers import HeaderLines, Seen, body_for, digest

RECORD: list[Seen] = []


class Answer(msgspec.Struct):
    """What to say, and how."""

    status: int
    headers: HeaderLines
    pieces: list[bytes]


def answer(
    seen: tuple[str, str, int], headers: Iterable[tuple[bytes, bytes]], body: bytes, *, http2: bool
) -> tuple[Answer, Seen]:
    """Work out the answer to method, target and client port, and the line of the record, whose response is not filled in."""
    method, target, port = seen
    lines = [(name.decode(), value.decode()) for name, value in headers]
    ident = next((value for name, value in lines if name.lower() == "x-id"), "")
    asked = {name: int(values[0]) for name, values in parse_qs(target.partition("?")[2]).items() if values[0].isdigit()}
    content = body_for(f"answer {ident}", asked["size"]) if "size" in asked else body
    content = b"" if method == "HEAD" else content
    pieces = [content[at : at + 9973] for at in range(0, len(content), 9973)]
    said = [("x-id", ident), ("x-peer-port", str(port)), ("set-cookie", f"one={ident}"), ("set-cookie", "two=2, still two")]
    if asked.get("events"):
        pieces = [b"id: %d\ndata: %b\n\n" % (n, digest(b"%d" % n).encode()) for n in range(asked["events"])]
        said.append(("content-type", "text/event-stream"))
    if not http2 and (asked.get("chunked") or asked.get("events")) and method != "HEAD":
        said.append(("transfer-encoding", "chunked"))
    elif not asked.get("events"):
        said.append(("content-length", str(len(content))))
    status = asked.get("status", 200)
    written = Seen(ident, port, method, target, lines, digest(body), 0.0, status, said, digest(b"".join(pieces)))
    return Answer(status, said, pieces), written


async def asgi(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's types
    """Answer for uvicorn and hypercorn."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
    is_http2 = scope["http_version"].startswith("2")
    said, seen = answer((scope["method"], target, scope["client"][1]), scope["headers"], body, http2=is_http2)
    RECORD.append(seen)
    # The library frames a body by itself, from whether its length was told.
    headers = [(name.encode(), value.encode()) for name, value in said.headers if name != "transfer-encoding"]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    for piece in said.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _say_url(certificate: str, port: int) -> None:
    sys.stdout.write(f"{'https' if certificate else 'http'}://127.0.0.1:{port}\n")
    sys.stdout.flush()


async def _told_to_end() -> None:
    await asyncio.to_thread(sys.stdin.read)


async def serve_uvicorn(certificate: str) -> None:
    import uvicorn  # noqa: PLC0415 - only here

    config = uvicorn.Config(
        asgi,
        ssl_certfile=certificate or None,
        lifespan="off",
        http="h11",
        log_level="critical",
        server_header=False,
        date_header=False,
        timeout_keep_alive=600,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    running = asyncio.create_task(server.serve([listener]))
    _say_url(certificate, listener.getsockname()[1])
    await _told_to_end()
    server.should_exit = server.force_exit = True
    await running


async def serve_hypercorn(certificate: str) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - only here
    from hypercorn.config import Config  # noqa: PLC0415 - only here

    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout, config.graceful_timeout, config.shutdown_timeout = 600, 0.1, 0.1
    config.include_date_header = config.include_server_header = False
    config.errorlog = None
    if certificate:
        config.certfile = config.keyfile = certificate
    _say_url(certificate, listener.getsockname()[1])
    await serve(asgi, config, shutdown_trigger=_told_to_end)


async def serve_aiohttp(certificate: str) -> None:
    from aiohttp import web  # noqa: PLC0415 - only here

    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        said, seen = answer((request.method, request.raw_path, port), request.raw_headers, await request.read(), http2=False)
        response = web.StreamResponse(status=said.status)
        for name, value in said.headers:
            if name == "transfer-encoding":
                response.enable_chunked_encoding()
            else:
                response.headers.add(name, value)
        await response.prepare(request)
        seen.response_headers = [(str(name), value) for name, value in response.headers.items()]
        RECORD.append(seen)
        for piece in said.pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", reply)
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=600)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if context:
        context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=128, shutdown_timeout=0.1).start()
    _say_url(certificate, runner.addresses[0][1])
    await _told_to_end()
    await runner.cleanup()


async def _run(name: str, certificate: str) -> None:
    servers: dict[str, Callable[[str], Awaitable[None]]] = {
        "aiohttp": serve_aiohttp,
        "hypercorn": serve_hypercorn,
        "uvicorn": serve_uvicorn,
    }
    await servers[name](certificate)
    sys.stdout.write(msgspec.json.encode(RECORD).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[3]))

"""A forward proxy that knows CONNECT, run as a program of its own: prints its port, ends with its standard input."""

from __future__ import annotations

import asyncio
import sys


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        sink.write(piece)
        await sink.drain()
    sink.close()


async def tunnel(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    head = await source.readuntil(b"\r\n\r\n")
    host, _, port = head.split(b" ")[1].decode().rpartition(":")
    far_source, far_sink = await asyncio.open_connection(host, int(port))
    sink.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(pump(source, far_sink), pump(far_source, sink))


async def main() -> None:
    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the test reads it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

"""A gRPC server and client on grpcio, as `tests.live.ends` has them: `serve CERTIFICATE KIND`, `ask CERTIFICATE KIND URL …`.

Without a certificate they speak HTTP/2 in the clear. Every other call is answered by a stream of messages.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from tests.live.asking import Ask
from tests.live.servers import Seen, body_for, digest

RECORD: list[Seen] = []
_SERVICE = "matrix.Answerer"


def _framed(message: bytes) -> bytes:
    """Give a message as it is on the wire: not compressed, and its length."""
    return b"\0" + len(message).to_bytes(4) + message


def _handle(target: str, message: bytes, context: Any, count: int) -> list[bytes]:  # noqa: ANN401 - grpcio has no types
    ident = dict(context.invocation_metadata()).get("x-id", "")
    port = int(context.peer().rpartition(":")[2])
    answers = [body_for(f"answer {ident} {n}", len(message) // 2 + n) for n in range(count)]
    headers = [("x-id", ident), ("x-peer-port", str(port))]
    context.send_initial_metadata(headers)
    seen = Seen(ident, port, "POST", target, [("x-id", ident)], digest(_framed(message)), 0.0, 200, headers)
    seen.response_body = digest(b"".join(map(_framed, answers)))
    RECORD.append(seen)
    return answers


def serve(certificate: str) -> None:
    import grpc  # noqa: PLC0415 - only here

    def one(message: bytes, context: object) -> bytes:
        return _handle(f"/{_SERVICE}/One", message, context, 1)[0]

    def many(message: bytes, context: object) -> Iterator[bytes]:
        yield from _handle(f"/{_SERVICE}/Many", message, context, 5)

    handlers = {"One": grpc.unary_unary_rpc_method_handler(one), "Many": grpc.unary_stream_rpc_method_handler(many)}
    server = grpc.server(ThreadPoolExecutor(8), handlers=[grpc.method_handlers_generic_handler(_SERVICE, handlers)])
    if certificate:
        pem = Path(certificate).read_bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _say(f"{'https' if certificate else 'http'}://127.0.0.1:{port}")
    sys.stdin.read()
    _say(msgspec.json.encode(RECORD).decode())
    os._exit(0)


def _sender(certificate: str, url: str) -> Callable[[str, str, bytes], None]:
    import grpc  # noqa: PLC0415 - only here

    address = url.partition("://")[2]
    options = [("grpc.use_local_subchannel_pool", 1)]
    if url.startswith("https"):
        credentials = grpc.ssl_channel_credentials(Path(certificate).read_bytes())
        channel = grpc.secure_channel(address, credentials, options)
    else:
        channel = grpc.insecure_channel(address, options)
    methods = {"One": channel.unary_unary(f"/{_SERVICE}/One"), "Many": channel.unary_stream(f"/{_SERVICE}/Many")}

    def send(name: str, ident: str, message: bytes) -> None:
        answer = methods[name](message, metadata=[("x-id", ident)], wait_for_ready=True)
        if name == "Many":
            list(answer)

    return send


def ask(certificate: str, url: str, connections: int, file: str) -> None:
    asks = msgspec.json.decode(Path(file).read_bytes(), type=list[Ask])
    with ThreadPoolExecutor(connections) as pool:

        def begin(number: int) -> Callable[[str, str, bytes], None]:
            send = _sender(certificate, url)
            send("One", f"open-{number}", b"")
            return send

        senders = list(pool.map(begin, range(connections)))
        _say("open")
        sys.stdin.readline()

        def share(number: int) -> None:
            for one in asks[number::connections]:
                senders[number](one.path, one.id, one.body or b"")

        list(pool.map(share, range(connections)))
    os._exit(0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    role, certificate, _, *rest = sys.argv[1:]
    if role == "serve":
        serve(certificate)
    else:
        ask(certificate, rest[0], int(rest[1]), rest[2])

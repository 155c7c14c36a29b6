"""Cells of what carries messages: gRPC and WebSocket."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec

from tests.live.asking import COUNT, Ask
from tests.live.ends import Command
from tests.live.matrix.cell import Bench, Cell, Mode, Outcome
from tests.live.matrix.cells_native import go_version
from tests.live.matrix.cells_python import MEMORY, OPENSSL, needs
from tests.live.matrix.exchange import Exchange
from tests.live.matrix.judging import Terms
from tests.live.matrix.parties import client, server
from tests.live.program import PATIENCE, Capture, is_server
from tests.live.servers import body_for
from tests.live.websocket_ends import answers, spelled, texts


def _grpc(_: Bench) -> Command:
    return [sys.executable, "-m", "tests.live.matrix.grpc_ends"]


def _calls(ident: str) -> Iterable[Ask]:
    for n in range(COUNT):
        name = f"{ident}-{n}"
        message = body_for(name, (0, 1, 1_000, 20_000, 100_000)[n % 5])
        yield Ask(name, "POST", ("One", "Many")[n % 2], (), message, chunked=False, new_connection=False)


_FOLDER = Path(__file__).with_name("gogrpc")
_MODULE = (_FOLDER / "go.mod").read_text()
_GRPC_GO = "grpc-go " + _MODULE.partition("google.golang.org/grpc v")[2].split()[0]
_GO = (1, 24)
_STATUSES = (0, 0, 5, 0, 12, 0, 0, 16, 3)
_METHODS = ("One", "Many", "Gather", "Both")
"""Nothing streams, the answer, the question, both."""


def _go_calls(ident: str) -> Iterable[Ask]:
    for n, call in enumerate(_calls(ident)):
        status = str(_STATUSES[n % len(_STATUSES)])
        yield msgspec.structs.replace(call, path=_METHODS[n % 4], headers=(("x-status", status), ("x-odd-bin", f"\0{n}")))


def _lacks_go() -> str:
    go = shutil.which("go")
    found = re.match(r"(\d+)\.(\d+)", go_version(go)) if go else None
    return "" if found and (int(found[1]), int(found[2])) >= _GO else "no Go that builds grpc-go (golang.org/dl)"


@cache
def _go_program(bench: Bench) -> Path:
    program = bench.cache / "go-grpc"
    subprocess.run(["go", "build", "-o", program, "."], check=True, cwd=_FOLDER)
    return program


def _go_grpc(bench: Bench) -> Command:
    return [_go_program(bench)]


def _go_grpc_cell(name: str, *, tls: bool) -> Cell:
    run = Exchange(client(_go_grpc), server(_go_grpc, tls=tls), terms=Terms(is_partial=True), asks=_go_calls, known=False)
    library = "crypto/tls" if tls else "none"
    return Cell(name, _GRPC_GO, _GRPC_GO, library, "gRPC", run, absent=_lacks_go)


def _grpc_cell(name: str, *, tls: bool) -> Cell:
    run = Exchange(client(_grpc), server(_grpc, tls=tls), terms=Terms(is_partial=True), asks=_calls, known=False)
    library = "BoringSSL, static and stripped" if tls else "none"
    return Cell(name, "grpcio", "grpcio", library, "gRPC", run, absent=needs("grpc"))


class _WebSocket:
    """One connection, and 211 messages each way and what else its client says; compared one by one."""

    def __init__(self, serves: str, asks: str, *, tls: bool, module: str) -> None:
        self._serves, self._asks, self._tls = serves, asks, tls
        self._program = [sys.executable, "-m", f"tests.live.{module}"]

    def __call__(self, bench: Bench, _: Mode, outcome: Outcome) -> None:
        pem = str(bench.certificate) if self._tls else ""
        with Capture("--ring-size", "256MB", "--http-buffer-size", "8MB") as capture:
            command = [*self._program, "server", self._serves, "compressed", pem]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as serving:
                assert serving.stdin is not None
                assert serving.stdout is not None
                port = json.loads(serving.stdout.readline())["port"]
                url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}/"
                subprocess.run([*self._program, "client", self._asks, "compressed", pem, url], check=True, timeout=PATIENCE)
                said = json.loads(serving.stdout.readline())["seen"]
                serving.stdin.close()
        counts = outcome.counts
        counts.requests = len(said)
        came = list(map(spelled, answers()))[: len(said)]
        for one in capture.transactions:
            pairs = zip(texts(one, "client"), texts(one, "server"), said, came, strict=False)
            right = sum((sent, got) == (true, answer) for sent, got, true, answer in pairs)
            counts.bodies += len(texts(one, "client")) - right
            counts.incomplete += "incomplete" in one
            if is_server(one):
                counts.server += right
            else:
                counts.client += right


def _websocket_cell(name: str, serves: str, asks: str, *, tls: bool) -> Cell:
    run = _WebSocket(serves, asks, tls=tls, module="websocket_ends")
    absent = needs("websockets", "aiohttp")
    return Cell(name, asks, serves, MEMORY if tls else "none", "WebSocket", run, modes=("new",), absent=absent)


def _websocket_http2_cell(name: str, *, tls: bool) -> Cell:
    run = _WebSocket("hypercorn", "h2", tls=tls, module="matrix.websocket_http2_ends")
    library, absent = f"{OPENSSL} and memory BIOs" if tls else "none", needs("h2", "hypercorn", "wsproto")
    return Cell(name, "h2, wsproto", "hypercorn", library, "WebSocket over HTTP/2", run, modes=("new",), absent=absent)


CELLS = [
    _websocket_cell("websocket", "websockets", "websockets", tls=True),
    _websocket_cell("websocket-aiohttp", "aiohttp", "aiohttp", tls=True),
    _websocket_cell("websocket-plain", "websockets", "aiohttp", tls=False),
    _websocket_http2_cell("websocket-h2", tls=True),
    _websocket_http2_cell("websocket-h2c", tls=False),
    _grpc_cell("grpc-plain", tls=False),
    _grpc_cell("grpc-tls", tls=True),
    _go_grpc_cell("go-grpc", tls=True),
    _go_grpc_cell("go-grpc-plain", tls=False),
]

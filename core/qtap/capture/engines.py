"""Asking a container engine for names: the part of the Docker Engine API that Podman speaks as well.

GET /containers/json (Docker Engine API reference, ContainerList), without a version in the path: each engine then answers in
its own. Imported by the thread that asks, since http.client takes 15 ms to import.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from qtap.model import Container, pod_of

_ANSWER_LIMIT = 16 << 20
"""Ten thousand containers with their labels are 20 KB each at most."""


class EngineError(Exception):
    """No engine listens there, or it does not answer as one; the text is one sentence."""


class _Listed(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str] | None = None
    image: str = ""
    labels: dict[str, str] | None = None


class _Connection(http.client.HTTPConnection):
    """HTTP over a stream socket of the Unix domain."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@contextlib.contextmanager
def _connected(path: str, deadline: float) -> Iterator[_Connection]:
    """Connect until the deadline, however slowly the other side speaks: a time limit on each call is none on all of them."""
    left = max(deadline - time.monotonic(), 0.001)
    with contextlib.closing(_Connection(path, left)) as connection:
        connection.connect()
        with connection.sock.dup() as handle:
            timer = threading.Timer(left, _cut, (handle,))
            timer.daemon = True
            timer.start()
            try:
                yield connection
            finally:
                timer.cancel()
                timer.join()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed by the other side
        sock.shutdown(socket.SHUT_RDWR)


def list_containers(path: str, only: str, deadline: float) -> dict[str, Container]:
    """Ask the engine at the socket `path` for its running containers, or for the one with the id `only` in any state.

    The keys are full ids of 64 digits; `deadline` is in terms of time.monotonic. Raises EngineError.
    """
    query = f"?all=true&filters={quote(json.dumps({'id': [only]}))}" if only else ""
    try:
        with _connected(path, deadline) as connection:
            connection.request("GET", f"/containers/json{query}", headers={"Accept": "application/json"})
            with connection.getresponse() as response:
                body = response.read(_ANSWER_LIMIT)
        listed = msgspec.json.decode(body, type=list[_Listed])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EngineError(f"{path} does not answer as a container engine: {error}") from None
    return {entry.id: _container(entry) for entry in listed}


def _container(entry: _Listed) -> Container:
    name = entry.names[0].removeprefix("/") if entry.names else ""
    labels = entry.labels or {}
    return Container(id=entry.id[:12], name=name, image=entry.image, labels=labels, pod=pod_of(labels))

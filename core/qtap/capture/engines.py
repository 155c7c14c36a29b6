"""Asking a container engine for names: the part of the Docker Engine API that Podman speaks as well.

GET /containers/json (Docker Engine API reference, ContainerList), without a version in the path: each engine then answers in
its own. Imported by the thread that asks, since http.client takes 15 ms to import.
"""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote

import msgspec

from qtap.model import Container

_TIMEOUT = 2.0
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

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


def list_containers(path: str, only: str = "") -> dict[str, Container]:
    """Ask the engine at the socket `path` for its running containers, or for the one with the id `only` in any state.

    The keys are full ids of 64 digits. Raises EngineError. Takes at most a few times 2 s when the engine hangs.
    """
    query = f"?all=true&filters={quote(json.dumps({'id': [only]}))}" if only else ""
    connection = _Connection(path)
    try:
        connection.request("GET", f"/containers/json{query}", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(_ANSWER_LIMIT)
        listed = msgspec.json.decode(body, type=list[_Listed])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EngineError(f"{path} does not answer as a container engine: {error}") from None
    finally:
        connection.close()
    return {entry.id: _container(entry) for entry in listed}


def _container(entry: _Listed) -> Container:
    name = entry.names[0].removeprefix("/") if entry.names else ""
    return Container(id=entry.id[:12], name=name, image=entry.image, labels=entry.labels or {})

"""Connected TCP sockets for tests that say each byte themselves, and the certificate for those that are encrypted."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.program import PATIENCE


def make_certificate(folder: Path) -> Path:
    """Make a certificate for this host's loopback addresses; gives the file with it and its key."""
    pem = folder / "server.pem"
    names = "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", names, "-keyout", pem, "-out", folder / "cert.pem"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (folder / "cert.pem").read_text())
    return pem


def server_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@contextmanager
def wire(host: str = "127.0.0.1", pem: Path | None = None) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two sockets over loopback, with TLS when a certificate is given: the client's, and the server's."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        client = socket.create_connection(listener.getsockname()[:2], PATIENCE)
        server = listener.accept()[0]
    server.settimeout(PATIENCE)
    if pem:
        client, server = _encrypt(client, server, pem)
    with client, server:
        yield client, server


def _encrypt(client: socket.socket, server: socket.socket, pem: Path) -> tuple[socket.socket, socket.socket]:
    accepted: list[socket.socket] = []
    thread = threading.Thread(target=lambda: accepted.append(server_context(pem).wrap_socket(server, server_side=True)))
    thread.start()
    client = ssl.create_default_context(cafile=pem).wrap_socket(client, server_hostname="localhost")
    thread.join()
    return client, accepted[0]


def port_of(client: socket.socket) -> int:
    """Give the client's port, by which both ends' transactions are known."""
    return int(client.getsockname()[1])


def read(end: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes."""
    data = b""
    while len(data) < size:
        piece = end.recv(size - len(data))
        assert piece, f"closed after {len(data)} of {size} bytes"
        data += piece
    return data


def say(sender: socket.socket, receiver: socket.socket, data: bytes) -> None:
    """Send `data` in one go while the other end reads all of it."""
    thread = threading.Thread(target=sender.sendall, args=(data,))
    thread.start()
    assert read(receiver, len(data)) == data
    thread.join()

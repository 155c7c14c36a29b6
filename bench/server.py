"""The server under load: nginx with one worker, HTTP and HTTPS on random ports of 127.0.0.1, and its own count of requests."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.accounting import children, cpu_seconds

BODY = '{"data":"' + "x" * 1013 + '"}'
"""1 KiB of JSON."""
PATH = "/bench"
_PATIENCE = 10.0
_CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
        location {path} {{ default_type application/json; return 200 '{body}'; }}
    }}
    server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""


class Server:
    """A running nginx; a context manager."""

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        self._folder = tempfile.TemporaryDirectory(prefix="qtap-bench-")
        folder = self._folder.name
        self.plain_port, self.tls_port, self._status_port = (_free_port() for _ in range(3))
        self.urls = {
            "TLS": f"https://127.0.0.1:{self.tls_port}{PATH}",
            "plain": f"http://127.0.0.1:{self.plain_port}{PATH}",
        }
        """By the name of the transport."""
        _make_certificate(folder)
        configuration = _CONFIGURATION.format(
            folder=folder, plain=self.plain_port, tls=self.tls_port, status=self._status_port, path=PATH, body=BODY
        )
        file = Path(folder, "nginx.conf")
        file.write_text(configuration)
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or "nginx"
        self._process = subprocess.Popen([nginx, "-e", f"{folder}/error.log", "-c", str(file)])
        self._wait()
        (self.pid,) = children(self._process.pid)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def cpu(self) -> float:
        """Give the worker's user and system time, in seconds."""
        return cpu_seconds(self.pid)

    def requests(self) -> int:
        """Give how many requests were answered, those that ask for this count not among them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/") as answer:
            count = int(answer.read().split()[9])
        self._asked += 1
        return count - self._asked

    _asked = 0

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.tls_port)):
                    return
            except ConnectionRefusedError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.02)


def client_context() -> ssl.SSLContext:
    """Give a client's context that trusts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _make_certificate(folder: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"], check=True, capture_output=True)

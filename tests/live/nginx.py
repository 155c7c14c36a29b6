"""nginx on random ports, plain and with TLS, whose access log is its own record."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.live.program import until
from tests.live.servers import body_for

SIZES = (1, 1_000, 20_000, 300_000, 3_000_000)
_CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format record escape=json
        '{{"port": $remote_port, "method": "$request_method", "target": "$request_uri", "status": $status, '
        '"size": $body_bytes_sent, "id": "$http_x_id", "agent": "$http_user_agent"}}';
    access_log {folder}/access.log record;
    {temporary}
    sendfile {sendfile};
    keepalive_requests 1000;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_protocols TLSv1.2 TLSv1.3;
    default_type application/octet-stream;
    add_header X-Peer-Port $remote_port always;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        root {folder}/files;
        location = /open {{ return 200 "opened\n"; }}
        location = /gone {{ return 410 "gone for good\\n"; }}
    }}
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx(msgspec.Struct):
    """A running nginx."""

    http: str
    https: str
    folder: Path

    @property
    def record(self) -> list[dict[str, object]]:
        """What its access log says, in order."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]


@contextmanager
def nginx(folder: Path, certificate: Path, *, sendfile: bool) -> Iterator[Nginx]:
    """Run nginx over files of known content: `/N` has N bytes."""
    (folder / "files").mkdir(parents=True)
    for size in SIZES:
        (folder / "files" / str(size)).write_bytes(body_for(f"file of {size}", size))
    http, https = _free_ports()
    temporary = "".join(f"{name}_temp_path {folder}/temporary;\n" for name in _TEMPORARY)
    text = _CONFIGURATION.format(
        folder=folder,
        temporary=temporary,
        sendfile="on" if sendfile else "off",
        certificate=certificate,
        http=http,
        https=https,
    )
    (folder / "nginx.conf").write_text(text)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    with subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]) as process:
        try:
            until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().strip(), "nginx does not start")
            yield Nginx(f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}", folder)
        finally:
            process.terminate()


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]

"""Clients that are commands, a process a request or a connection."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tests.live.asking import Ask
from tests.live.program import PATIENCE


def with_curl_http2(url: str, certificate: Path, wanted: Iterable[Ask], folder: Path, *options: str) -> None:
    """A process a request: the second request on a connection by prior knowledge fails in curl 7.88."""
    common: list[str | Path] = ["curl", "--disable", "--max-time", str(PATIENCE), "--silent", "--show-error"]
    common += ["--cacert", certificate, "--output", "/dev/null", *options]

    def run(ask: Ask) -> None:
        arguments: list[str | Path] = ["--head"] if ask.method == "HEAD" else ["--request", ask.method]
        for name, value in ask.headers:
            arguments += ["--header", f"{name}: {value}"]
        if ask.body is not None:
            file = folder / ask.id
            file.write_bytes(ask.body)
            arguments += ["--data-binary", f"@{file}"]
        subprocess.run([*common, *arguments, url + ask.path], check=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, wanted))


def with_wget(url: str, certificate: Path, wanted: Sequence[Ask], folder: Path) -> None:
    """A process a request."""

    def run(ask: Ask) -> None:
        file = folder / ask.id
        file.write_bytes(ask.body or b"")
        headers = [f"--header={name}: {value}" for name, value in ask.headers]
        body = [f"--body-file={file}"] if ask.body else []
        command = ["wget", "-q", "-O", "/dev/null", f"--ca-certificate={certificate}", "--content-on-error", "--tries=1"]
        command += [f"--method={ask.method}", *headers, *body, url + ask.path]
        subprocess.run(command, timeout=PATIENCE, check=False)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, wanted))


def with_tstclnt(url: str, wanted: Sequence[Ask], folder: Path) -> None:
    """Ask with NSS's own client, which sends what it is given and prints what comes."""
    database, address = f"sql:{folder}", url.partition("://")[2]
    subprocess.run(["certutil", "-N", "-d", database, "--empty-password"], check=True)
    host, _, port = address.partition(":")
    command = ["tstclnt", "-h", host, "-p", port, "-o", "-d", database]

    def run(ask: Ask) -> None:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            assert client.stdin
            assert client.stdout
            client.stdin.write(_as_bytes(ask, address))
            client.stdin.flush()
            _read_answer(client.stdout, has_body=ask.method != "HEAD")
            client.kill()  # it would wait for more, even when the server has closed

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, wanted))


def _as_bytes(ask: Ask, address: str) -> bytes:
    body = ask.body or b""
    fields = [
        ("Host", address),
        *ask.headers,
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    lines = [f"{ask.method} {ask.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode() + body


def _read_answer(stream: IO[bytes], *, has_body: bool) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.readline()
    if b"chunked" in head and has_body:
        while size := int(stream.readline(), 16):
            stream.read(size + 2)
        stream.readline()
    elif has_body:
        stream.read(int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0]))

"""Clients of GnuTLS and of NSS against the server's own record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.live.asking import Ask, asks
from tests.live.comparing import compare
from tests.live.program import PATIENCE, Capture
from tests.live.servers import Recorder, recorder

pytestmark = pytest.mark.live

COUNT = 53


def with_wget(server: Recorder, certificate: Path, folder: Path) -> None:
    body_file = folder / "body"
    for ask in asks("wget", COUNT):
        body_file.write_bytes(ask.body or b"")
        headers = [f"--header={name}: {value}" for name, value in ask.headers]
        body = [f"--body-file={body_file}"] if ask.body else []
        url = server.url + ask.path
        command = ["wget", "-q", "-O", "/dev/null", f"--ca-certificate={certificate}", "--content-on-error", "--tries=1"]
        subprocess.run([*command, f"--method={ask.method}", *headers, *body, url], timeout=PATIENCE, check=False)


def with_tstclnt(server: Recorder, folder: Path) -> None:
    """Ask with NSS's own client, which sends what it is given and prints what comes."""
    database = f"sql:{folder}"
    subprocess.run(["certutil", "-N", "-d", database, "--empty-password"], check=True)
    command = ["tstclnt", "-h", "127.0.0.1", "-p", str(server.server_port), "-o", "-d", database]
    for ask in asks("nss", COUNT):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            assert client.stdin
            assert client.stdout
            client.stdin.write(as_bytes(ask, server))
            client.stdin.flush()
            read_answer(client.stdout, has_body=ask.method != "HEAD")
            client.kill()  # it would wait for more, even when the server has closed


def as_bytes(ask: Ask, server: Recorder) -> bytes:
    body = ask.body or b""
    fields = [
        ("Host", f"127.0.0.1:{server.server_port}"),
        *ask.headers,
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    lines = [f"{ask.method} {ask.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode() + body


def read_answer(stream: IO[bytes], *, has_body: bool) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.readline()
    if b"chunked" in head and has_body:
        while size := int(stream.readline(), 16):
            stream.read(size + 2)
        stream.readline()
    elif has_body:
        stream.read(int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0]))


def test_every_request_of_wget_is_captured_as_the_server_saw_it(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_wget(server, certificate, tmp_path)
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_every_request_of_an_nss_client_is_captured_as_the_server_saw_it(certificate: Path, tmp_path: Path) -> None:
    with recorder(certificate) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_tstclnt(server, tmp_path)
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []

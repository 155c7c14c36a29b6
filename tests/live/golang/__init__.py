"""Programs in Go: a web server that records, and a client, on crypto/tls."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.live.asking import Ask
from tests.live.program import PATIENCE
from tests.live.servers import Seen

_SOURCE = Path(__file__).with_name("main.go")

BUILDS = {
    "plain": (),
    "stripped": ("-ldflags=-s -w",),
    "pie": ("-buildmode=pie", "-ldflags=-s -w"),
    "static": ("-tags=netgo,osusergo",),
    "external": ("-buildmode=pie", "-ldflags=-linkmode=external -s -w"),
    "unoptimized": ("-gcflags=all=-N -l",),
}
"""Flags of the compiler, by what is special of the program: all look different to whoever searches them for a function."""


def compilers() -> list[str]:
    """Give every Go compiler of this host, and those that QTAP_GO names."""
    found = [shutil.which("go"), *map(str, sorted(Path("/usr/lib").glob("go-1.*/bin/go")))]
    return [path for path in [*found, *os.environ.get("QTAP_GO", "").split(":")] if path]


def build(go: str, folder: Path, name: str) -> Path:
    """Build the program with the compiler `go` as `BUILDS` says."""
    program = folder / name
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOENV": "off", "GO111MODULE": "off"}
    subprocess.run([go, "build", *BUILDS[name], "-o", program, _SOURCE], check=True, env=environment, cwd=folder)
    return program


class GoServer:
    """A running server, which tells what it saw when it ends."""

    def __init__(self, program: Path, certificate: Path, kind: str) -> None:
        command: list[str | Path] = [program, "serve", certificate, kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def end(self) -> list[Seen]:
        record = self._process.communicate(timeout=PATIENCE)[0]
        return msgspec.json.decode(record, type=list[Seen])

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def go_server(program: Path, certificate: Path, kind: str = "") -> Iterator[GoServer]:
    server = GoServer(program, certificate, kind)
    try:
        yield server
    finally:
        server.kill()


class GoClient:
    """A running client; it waits with open connections until told to go on, unless `kind` has "now"."""

    def __init__(
        self, program: Path, certificate: Path, url: str, asks: Iterable[Ask], folder: Path, *, kind: str = "", connections: int
    ) -> None:
        file = folder / "asks.json"
        file.write_bytes(msgspec.json.encode(list(asks)))
        command: list[str | Path] = [program, "ask", certificate, kind, url, str(connections), file]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if "now" not in kind:
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "open\n"

    def finish(self) -> None:
        """Let it ask everything, and see that it ends well."""
        try:
            self._process.communicate("\n", PATIENCE * 2)
        finally:
            self._process.kill()
            self._process.communicate()
        assert self._process.returncode == 0

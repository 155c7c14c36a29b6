"""Programs in Go: a web server that records, and a client, on crypto/tls."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.asking import Ask
from tests.live.ends import ClientProgram, ServerProgram, serving

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


@contextmanager
def go_server(program: Path, certificate: Path, kind: str = "") -> Iterator[ServerProgram]:
    with serving([program], certificate, kind) as server:
        yield server


class GoClient(ClientProgram):
    """A running client; it waits with open connections until told to go on, unless `kind` has "now"."""

    def __init__(
        self, program: Path, certificate: Path, url: str, asks: Iterable[Ask], folder: Path, *, kind: str = "", connections: int
    ) -> None:
        super().__init__([program], certificate, url, asks, folder, kind=kind, connections=connections)

"""Cells of Go, Rust and Node: programs that carry their TLS in their own file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.live.ends import Command
from tests.live.golang import build, compilers
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_python import OPENSSL
from tests.live.matrix.exchange import Exchange
from tests.live.matrix.parties import client, server

_HERE = Path(__file__).parent
_CRATE = _HERE / "rust"


def lacks(program: str, how: str) -> Callable[[], str]:
    """Say that a program is not here."""
    return lambda: "" if shutil.which(program) else f"no {program} ({how})"


@cache
def go_version(go: str) -> str:
    """Give the version of this compiler."""
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].removeprefix("go")


def _go(go: str, name: str, bench: Bench) -> Command:
    folder = bench.cache / f"go-{go_version(go)}"
    folder.mkdir(exist_ok=True)
    return [build(go, folder, name)]


def _go_cells() -> Iterator[Cell]:
    found = compilers() or [""]
    if len(found) < 2:
        missing = "no second Go (apt install golang-1.19-go, or name one in QTAP_GO)"
        nothing = Exchange(client(_node), server(_node))
        yield Cell("go-older", "Go", "Go", "crypto/tls", "HTTP/1.1", nothing, absent=lambda: missing)
    wanted = [(go, name, kind) for go in found for name, kind in (("plain", ""), ("stripped", ""), ("plain", "h2"))]
    wanted.append((found[0], "stripped", "wrapped"))
    for go, name, kind in wanted:
        version = go_version(go) if go else ""
        command = cache(lambda bench, go=go, name=name: _go(go, name, bench))
        yield Cell(
            "-".join(filter(None, ["go", version, name if name != "plain" else "", kind])),
            f"Go {version}",
            f"Go {version}",
            "crypto/tls",
            "HTTP/2" if kind == "h2" else "HTTP/1.1",
            Exchange(client(command, kind), server(command, kind), known=False),
            absent=lacks("go", "apt install golang-go"),
        )


@cache
def _rust(bench: Bench) -> Path:
    target = bench.cache / "rust"
    command: list[str | Path] = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "--manifest-path",
        _CRATE / "Cargo.toml",
        "--target-dir",
        target,
    ]
    subprocess.run(command, check=True)
    return target / "release" / "ends"


def _rust_command(bench: Bench) -> Command:
    return [_rust(bench)]


def _rust_cells() -> Iterator[Cell]:
    for kind in ("", "h2", "native"):
        yield Cell(
            f"rust-{kind or 'h1'}",
            "hyper",
            "hyper",
            OPENSSL if kind == "native" else "rustls",
            "HTTP/2" if kind == "h2" else "HTTP/1.1",
            Exchange(client(_rust_command, kind), server(_rust_command, kind), known=False),
            absent=lacks("cargo", "rustup.rs"),
        )


def _node(_: Bench) -> Command:
    return ["node", _HERE / "node_ends.mjs"]


def _node_cells() -> Iterator[Cell]:
    for kind in ("https", "fetch", "h2"):
        yield Cell(
            f"node-{kind}",
            f"Node {kind}",
            "Node http2" if kind == "h2" else "Node https",
            "OpenSSL 3 in node",
            "HTTP/2" if kind == "h2" else "HTTP/1.1",
            Exchange(client(_node, kind), server(_node, kind), known=False),
            absent=lacks("node", "apt install nodejs"),
        )


CELLS = [*_node_cells(), *_go_cells(), *_rust_cells()]

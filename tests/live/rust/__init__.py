"""Programs in Rust: clients and servers on rustls as cargo builds it into each."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.live.asking import Ask
from tests.live.program import PATIENCE
from tests.live.servers import Seen

_MANIFEST = Path(__file__).with_name("Cargo.toml")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qtap-tui"

CLIENTS = ("reqwest", "ureq", "ureq2")
SERVERS = ("server", "threads")
MANGLINGS = {"rust": "legacy", "rust-v0": "v0"}
"""How names are written in the symbols, by the folder that programs are built in."""


def build(folder: str) -> Path:
    """Build all programs, which takes minutes the first time; gives the folder with them."""
    target = _CACHE / folder
    flags = {} if folder == "rust" else {"RUSTFLAGS": f"-Csymbol-mangling-version={MANGLINGS[folder]}"}
    command: list[str | Path] = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", _MANIFEST]
    subprocess.run(command, check=True, env=os.environ | flags | {"CARGO_TARGET_DIR": str(target)})
    return target / "release"


class RustClient:
    """One of CLIENTS, running: it asks nothing before `ask`."""

    def __init__(self, program: Path, url: str, certificate: Path) -> None:
        self._process = subprocess.Popen([program, url, certificate], stdin=subprocess.PIPE)

    def ask(self, asks: Iterable[Ask]) -> None:
        """Let it ask everything, and see that it ends well."""
        lines = [msgspec.structs.asdict(ask) | {"body": None if ask.body is None else list(ask.body)} for ask in asks]
        try:
            self._process.communicate(b"\n".join(map(msgspec.json.encode, lines)), PATIENCE * 2)
        finally:
            self._process.kill()
            self._process.communicate()
        assert self._process.returncode == 0


class RustServer:
    """One of SERVERS, running in a `with` block; ends with it."""

    def __init__(self, program: Path, certificate: Path) -> None:
        self._process = subprocess.Popen([program, certificate], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self._said: list[bytes] = []
        self._reader = threading.Thread(target=self._said.extend, args=(self._process.stdout,))
        self._reader.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._end()

    def record(self) -> list[Seen]:
        """End it, and give what it saw and said."""
        self._end()
        return [msgspec.json.decode(line, type=Seen) for line in self._said]

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._reader.join()
        self._process.stdout.close()

"""Servers and clients of any language that a test starts: all are told the same things, and tell them.

`serve CERTIFICATE KIND` prints its URL, and what it saw (a JSON list of `Seen`) at the end of its input.
`ask CERTIFICATE KIND URL CONNECTIONS FILE` asks what FILE holds (a JSON list of `Ask`) once it has opened its connections with
a request each, `open-N`, has printed "open", and was told to go on; with "now" in KIND it does neither open nor wait.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.live.asking import Ask
from tests.live.program import PATIENCE
from tests.live.servers import Seen

Command = Sequence[str | Path]


class ServerProgram:
    """A running server, which tells what it saw when it ends."""

    def __init__(self, command: Command, certificate: Path | str, kind: str) -> None:
        self._process = subprocess.Popen(
            [*command, "serve", certificate, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.kill()
            raise AssertionError(f"{command[0]} does not serve")

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> list[Seen]:
        record = self._process.communicate(timeout=PATIENCE)[0]
        return msgspec.json.decode(record, type=list[Seen])

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def serving(command: Command, certificate: Path | str, kind: str = "") -> Iterator[ServerProgram]:
    server = ServerProgram(command, certificate, kind)
    try:
        yield server
    finally:
        server.kill()


class ClientProgram:
    """A running client."""

    def __init__(
        self,
        command: Command,
        certificate: Path,
        url: str,
        asks: Iterable[Ask],
        folder: Path,
        *,
        kind: str = "",
        connections: int,
    ) -> None:
        file = folder / "asks.json"
        file.write_bytes(msgspec.json.encode(list(asks)))
        arguments = [*command, "ask", certificate, kind, url, str(connections), file]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if "now" not in kind:
            assert self._process.stdout is not None
            if (said := self._process.stdout.readline()) != "open\n":
                self.kill()
                raise AssertionError(f"{command[0]} opens no connections: {said}")

    def finish(self) -> None:
        """Let it ask everything, and see that it ends well."""
        try:
            self._process.communicate("\n", PATIENCE * 2)
        finally:
            self.kill()
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

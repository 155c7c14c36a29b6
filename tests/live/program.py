"""The program as a user starts it: a child process whose lines are read as they come."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = Path(sys.executable).with_name("qtap-tui")
SLOWNESS = float(os.environ.get("QTAP_TEST_PATIENCE", "1"))
"""How many times longer than on a usual machine things may take here: more than 1 under emulation."""
PATIENCE = 60.0 * SLOWNESS
"""Seconds to wait for what must come; far more than it takes, because other things run on the machine."""
_QUIET = 0.3 * SLOWNESS
"""Seconds without a line after which a slow machine has told what was captured."""

Fields = dict[str, Any]


class Capture:
    """`qtap-tui --no-ui`, ready, limited to this test's process and its children unless `arguments` choose others."""

    def __init__(self, *arguments: str | Path, program: Path = PROGRAM, only_us: bool = True) -> None:
        limits = ["--pid", str(os.getpid())] if only_us else []
        self.events: list[Fields] = []
        self.log = ""
        """What it said on stderr."""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [program, "--no-ui", *limits, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._readers = [threading.Thread(target=self._read_lines), threading.Thread(target=self._read_log)]
        for reader in self._readers:
            reader.start()
        if not self._wait(lambda: "ready" in self.log or self._process.poll() is not None) or "ready" not in self.log:
            self.kill()
            raise AssertionError(f"not ready: {self.log}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def transactions(self) -> list[Fields]:
        """The data of every `http_transaction` line so far."""
        return self.of("http_transaction")

    def of(self, kind: str) -> list[Fields]:
        with self._changed:
            return [event["data"] for event in self.events if event["event"] == kind]

    def wait_for(self, count: int, wanted: Callable[[Fields], bool]) -> list[Fields]:
        """Wait until `count` transactions are `wanted`, and give all that are."""

        def found() -> list[Fields]:
            return [event["data"] for event in self.events if event["event"] == "http_transaction" and wanted(event["data"])]

        enough = self._wait(lambda: len(found()) >= count)
        with self._changed:
            assert enough, f"{len(found())} of {count} transactions; log: {self.log}"
            return found()

    def both_ends(self, port: int, count: int = 1) -> tuple[list[Fields], list[Fields]]:
        """Wait for `count` transactions of the connection from client port `port`; give the client's and the server's."""
        found = self.wait_for(2 * count, lambda transaction: client_port(transaction) == port)
        ours, theirs = [t for t in found if not is_server(t)], [t for t in found if is_server(t)]
        assert (len(ours), len(theirs)) == (count, count), found
        return ours, theirs

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it as a user does, and see that it ends well."""
        if SLOWNESS > 1:
            self._settle()
        self._process.send_signal(number)
        try:
            status = self._process.wait(PATIENCE)
        finally:
            self._close()
        assert status == 0, self.log
        assert "Traceback" not in self.log
        assert "before the end" not in self.log  # nothing was left unread or unwritten

    def kill(self) -> None:
        """End it without giving it a chance; close what is open when it has ended."""
        self._process.kill()
        self._process.wait()
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._process.poll() is None:
            self.stop()
        else:
            self.kill()

    def _settle(self) -> None:
        """Let it tell what waits: its end takes that too, but for some seconds only, which such a machine needs for less."""
        deadline = time.monotonic() + 60
        with self._changed:
            while self._changed.wait(_QUIET) and time.monotonic() < deadline:
                pass

    def _wait(self, condition: Callable[[], object]) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(condition, PATIENCE))

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith(b"\n"):
                break  # killed
            event = json.loads(line.decode())
            with self._changed:
                self.events.append(event)
                self._changed.notify_all()
        self._tell()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.log += line.decode()
                self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        self._process.poll()
        with self._changed:
            self._changed.notify_all()

    def _close(self) -> None:
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


def is_server(transaction: Fields) -> bool:
    return bool(transaction["direction"] == "ingress")


def client_port(transaction: Fields) -> int:
    end = "remote_address" if is_server(transaction) else "local_address"
    return int(transaction["metadata"].get(end, ":0").rpartition(":")[2])


def body_of(message: Fields) -> bytes:
    """Give the body of a request or a response."""
    return base64.b64decode(message.get("body", ""), validate=True)


def until(condition: Callable[[], object], what: str | Callable[[], str], patience: float = PATIENCE) -> None:
    """Wait for something outside the program; `what` says what is missing when it does not come."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.01)

"""The first start on a kernel: the programs for rare libraries are still being compiled when capture begins."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qtap.capture.compiler import Bytecode, CompileError, rest
from qtap.flow import live
from qtap.flow.log import TransactionLog
from qtap.flow.options import LiveOptions
from qtap.flow.selection import Selection
from qtap.flow.sinks import LogSink
from tests.live.servers import recorder

pytestmark = pytest.mark.live

PATIENCE = 30.0


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_openssl_is_captured_before_the_rest_is_compiled(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    compiled, asked = threading.Event(), threading.Event()

    def slow() -> Bytecode:
        asked.set()
        compiled.wait(PATIENCE)
        return rest()

    monkeypatch.setattr(live, "rest", slow)
    log, ready, failed = TransactionLog(1 << 24), list[list[str]](), list[str]()
    options = LiveOptions(selection=Selection(exes=("/curl",)))
    source = live.LiveSource(options, lambda _, libraries: ready.append(libraries), failed.append)
    with recorder(certificate) as server:
        source.start(LogSink(log))
        try:
            assert asked.wait(PATIENCE), failed
            subprocess.run(["curl", "--silent", "--cacert", certificate, f"{server.url}/early"], check=True)
            wait_until(lambda: any(row.path == "/early" for _, row in log.rows(0, log.end)))
            assert ready == []
            compiled.set()
            wait_until(lambda: bool(ready))
        finally:
            compiled.set()
            source.stop()
    assert any("libgnutls" in library for library in ready[0])
    assert failed == []


def test_openssl_is_captured_when_the_rest_cannot_be_compiled(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Bytecode:
        raise CompileError("no compiler today")

    monkeypatch.setattr(live, "rest", fail)
    log, ready, failed = TransactionLog(1 << 24), list[list[str]](), list[str]()
    source = live.LiveSource(LiveOptions(), lambda _, libraries: ready.append(libraries), failed.append)
    with recorder(certificate) as server:
        source.start(LogSink(log))
        try:
            wait_until(lambda: bool(ready))
            subprocess.run(["curl", "--silent", "--cacert", certificate, f"{server.url}/alone"], check=True)
            wait_until(lambda: any(row.path == "/alone" for _, row in log.rows(0, log.end)))
        finally:
            source.stop()
    assert failed == []
    assert any("libssl.so" in library for library in ready[0])
    assert "only OpenSSL can be probed: no compiler today" in caplog.text

from __future__ import annotations

import logging
import mmap

import pytest

from qtap.capture import records
from qtap.capture.processes import ProcessTable
from qtap.flow.table import ConnectionTable
from qtap.flow.toggles import parse
from qtap.flow.trace import Trace
from qtap.model import Process
from tests.flow.kernel import Stream, Told

SECRET = b"GET /secret HTTP/1.1\r\nHost: secret\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Known(ProcessTable):
    """Knows what each process runs."""

    def get(self, pid: int) -> Process:
        return Process(pid, exe={10: "/bin/curl", 11: "/usr/bin/node"}.get(pid, "/bin/other"))


def traced(toggles: str, caplog: pytest.LogCaptureFixture, *given: bytes) -> list[str]:
    """Feed records to a table with a trace; give the lines without their times."""
    trace = Trace(parse(toggles), Known(), lambda pid: pid != 12)
    table = ConnectionTable(Told(), Known().get, body_limit=0, deliver=trace.delivery)
    table.mute = trace.muting(table.mute)

    def take(pages: mmap.mmap | bytes, at: int) -> None:
        if records.HEADER.unpack_from(pages, at)[14] in (records.DATA, records.CLOSE, records.HELLO, records.OTHER):
            table.take(pages, at)

    with caplog.at_level(logging.INFO, "qtap.trace"):
        for record in given:
            with mmap.mmap(-1, len(record)) as pages:
                pages[:] = record
                trace.taking(take)(pages, 0)
        table.stop()
    return [message.partition(" ")[2] for message in caplog.messages]


def process_record(kind: int, pid: int, position: int = 0) -> bytes:
    return records.HEADER.pack(1, 0, 0, position, 0, pid, 0, 0, 0, 0, 0, 0, b"", b"", kind, 0, 0, 0, 0, 0)


def test_a_record_is_one_line_with_all_but_its_payload(caplog: pytest.LogCaptureFixture) -> None:
    curl, other = Stream(10, 4000, 80), Stream(13, 4000, 80, sk=0x2000)
    given = [curl.sends(SECRET), other.sends(SECRET)]
    curl.pid = 0  # the kernel tells of a socket's end where no process runs
    start = "socket pid=10 exe=/bin/curl"
    ends = "socket=0x1000 opened=1 127.0.0.1:4000 127.0.0.1:80 out seq=0 pos=0"
    data = f"total={len(SECRET)} offset=0 copied={len(SECRET)} flags=from-start"
    assert traced("mod:socket,exe.endsWith:curl", caplog, *given, curl.closes()) == [
        f"{start} data {ends} {data}",
        f"{start} close {ends} total=0 offset=0 copied=24 flags=none",
    ]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("pid", "modules"), [(10, {"openssl"}), (11, {"openssl", "nodetls"})])
def test_node_is_openssl_too(pid: int, modules: set[str], caplog: pytest.LogCaptureFixture) -> None:
    record = Stream(pid, 4000, 443, handle=0xAB).sends(SECRET)
    for module in ("openssl", "nodetls", "socket"):
        caplog.clear()
        lines = traced(f"mod:{module},exe:*", caplog, record)
        assert [line.split()[0] for line in lines] == [module] * (module in modules)


def test_processes_come_and_go(caplog: pytest.LogCaptureFixture) -> None:
    given = [
        process_record(records.EXEC, 10),
        process_record(records.EXEC, 12),
        process_record(records.FORK, 13, 10),
        process_record(records.LIBRARY, 10, 77),
        process_record(records.EXIT, 10),
    ]
    lines = traced("mod:process,exe:*", caplog, *given)
    assert [line.partition(" exe=")[2].partition(" ")[2] for line in lines] == [
        "exec captured", "exec refused", "fork parent=10", "library inode=77", "exit"
    ]  # fmt: skip


def test_what_was_made_of_the_records_is_told(caplog: pytest.LogCaptureFixture) -> None:
    curl, tunnel = Stream(10, 4000, 80, peer="10.0.0.1"), Stream(10, 4001, 80, sk=0x2000, peer="10.0.0.1")
    ask, lost = curl.sends(SECRET), curl.receives(ANSWER)
    given = [ask, curl.sends(SECRET), curl.receives(ANSWER)]
    given += [tunnel.sends(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), tunnel.receives(b"HTTP/1.1 200 OK\r\n\r\n")]
    given += [tunnel.sends(b"\0\1\2\3"), tunnel.sends(b"\4")]
    lines = traced("mod:protocol,exe:*", caplog, *given)
    assert lost not in given
    words = [line.partition(" exe=/bin/curl ")[2].split()[0] for line in lines]
    assert words.count("role") == 2
    assert {"gap:", "opened", "finished", "muted"} == {*words} - {"role"}
    assert any("role client connection=" in line and "127.0.0.1:4000 10.0.0.1:80" in line for line in lines)

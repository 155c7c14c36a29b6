from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from qtap.captures import CaptureError, CaptureReader, Header, Recorder
from qtap.captures.format import Record, encode_record
from qtap.model import Loss, Transaction
from tests.exports.samples import BEGAN, CURL, connection, message, transaction

HEADER = Header("qtap-tui", 1, "web-1", "d3tsmtg7p3qggmf8pdhg", "qtap-tui 0.1.0", BEGAN, "6.1.0")


def record_everything(recorder: Recorder) -> list[Record]:
    seen = transaction()
    recorder.process_seen(CURL)
    recorder.connection_changed(connection())
    recorder.transaction_opened(seen)
    recorder.transaction_finished(seen)
    recorder.lost(Loss("ring", 3, BEGAN, BEGAN + 1))
    return [CURL, connection(), seen, Loss("ring", 3, BEGAN, BEGAN + 1)]


def read(path: Path) -> list[Record]:
    reader = CaptureReader(str(path))
    try:
        return list(reader)
    finally:
        reader.close()


@pytest.mark.parametrize("name", ["capture", "capture.zst"])
def test_what_a_source_gives_is_read_back_in_order(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    recorder = Recorder(str(path), header=HEADER)
    given = record_everything(recorder)
    assert recorder.stop() == 0
    assert read(path) == given
    assert (path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd") == name.endswith(".zst")


def test_a_compressed_capture_is_what_other_tools_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.zst"
    recorder = Recorder(str(path), header=HEADER)
    given = record_everything(recorder)
    recorder.stop()
    stream = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True)
    assert stream.read() == b"".join(map(encode_record, [HEADER, *given]))


def test_only_the_owner_may_read_a_capture_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    before = os.umask(0)
    try:
        Recorder(str(path)).stop()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(CaptureError, match=r"notes exists already: choose another name, or overwrite it with --force"):
        Recorder(str(path))
    assert path.read_text() == "precious"


def test_force_replaces_a_file_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_text("old")
    path.chmod(0o666)
    Recorder(str(path), header=HEADER, force=True).stop()
    assert path.read_bytes() == encode_record(HEADER)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_written_through_a_link(tmp_path: Path, force: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    with pytest.raises(CaptureError, match="it is a symbolic link; name a file itself"):
        Recorder(str(link), force=force)
    assert target.read_text() == "precious"


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(CaptureError, match="/dev/null: it is a device; name a file, or give - for standard output"):
        Recorder("/dev/null", force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_target_that_is_no_file_is_told_what_to_name_instead(tmp_path: Path, force: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaptureError, match="it is a directory; name a file in it"):
        Recorder(str(tmp_path), force=force)
    with pytest.raises(CaptureError, match="it is a pipe; give - and send standard output there"):
        Recorder(str(tmp_path / "pipe"), force=force)


def test_a_directory_that_does_not_exist_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"cannot create .*/no/capture: there is no folder .*/no$"):
        Recorder(str(tmp_path / "no" / "capture"))


def test_a_full_disk_is_told_once_and_later_records_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[OSError] = []
    recorder = Recorder(str(tmp_path / "capture"), on_closed=told.append)
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(recorder, "_descriptor", full)
    recorder.transaction_finished(transaction())
    recorder.stop()
    assert [error.errno for error in told] == [28]
    recorder.transaction_finished(transaction())
    recorder.stop()
    assert len(told) == 1


def test_a_record_too_long_to_be_read_again_is_counted_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    recorder = Recorder(str(path))
    huge = transaction(response=b"HTTP/1.1 200 OK\r\n\r\n", response_body=bytes(50 << 20))
    recorder.transaction_finished(huge)
    recorder.transaction_finished(transaction())
    recorder.stop(timeout=30)
    lost, kept = read(path)
    assert isinstance(lost, Loss)
    assert (lost.where, lost.count, lost.what) == ("store", 1, "transactions")
    assert kept == transaction()


def test_a_growing_body_is_recorded_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    recorder = Recorder(str(path))
    seen = transaction()
    seen.response = message(b"HTTP/1.1 200 OK\r\n\r\n", b"")
    seen.response.body = bytearray(b"\x00\xff")
    recorder.transaction_finished(seen)
    recorder.stop()
    back = read(path)[0]
    assert isinstance(back, Transaction)
    assert back.response.body == b"\x00\xff"
    assert isinstance(back.response.body, bytes)


RECORDING = """
import sys, time
from qtap.captures import Recorder
from tests.exports.samples import transaction
recorder = Recorder(sys.argv[1])
number = 0
while True:
    recorder.transaction_finished(transaction(id=str(number)))
    number += 1
    if number % 100 == 0:
        print(number, time.monotonic(), flush=True)
        time.sleep(0.01)
"""


@pytest.mark.parametrize("name", ["capture", "capture.zst"])
def test_a_recording_that_is_killed_opens_and_lacks_at_most_its_last_second(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with subprocess.Popen([sys.executable, "-c", RECORDING, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        marks: list[tuple[int, float]] = []
        while not marks or marks[-1][1] < marks[0][1] + 2.5:
            number, at = child.stdout.readline().split()
            marks.append((int(number), float(at)))
        child.send_signal(signal.SIGKILL)
    found = read(path)
    assert [record.id for record in found if isinstance(record, Transaction)] == [str(n) for n in range(len(found))]
    must_be_there = max(number for number, at in marks if at < marks[-1][1] - 1.5)
    assert len(found) >= must_be_there


def test_a_capture_is_written_to_standard_output() -> None:
    program = (
        "from qtap.captures import Recorder\n"
        "from tests.exports.samples import transaction\n"
        "recorder = Recorder('-'); recorder.transaction_finished(transaction()); recorder.stop()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.endswith(encode_record(transaction()))
    assert done.stdout.count(b"\n") == 2

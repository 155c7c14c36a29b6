"""Reading again what was sent from a file: only if it surely is the same, and never by waiting."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from qtap.capture.files import Answer, Files, Piece

DATA = bytes(range(256)) * 40


def piece_of(path: Path, *, offset: int = 0, size: int = len(DATA), **changes: int) -> Piece:
    given = {"pid": os.getpid(), "inode": path.lstat().st_ino, "superblock": 1, "at": time.time_ns() + 1_000_000_000, **changes}
    return Piece(path=os.fsencode(path)[1:], offset=offset, size=size, **given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def got(files: Files, piece: Piece, want: int | None = None) -> bytes:
    answer = files.ask(piece, piece.size if want is None else want)
    end = time.monotonic() + 30
    while not files.is_done(answer):
        assert time.monotonic() < end
        time.sleep(0.001)
    return files.take(answer)


def test_a_file_that_is_as_it_was_gives_its_bytes_however_often(path: Path) -> None:
    files = Files()
    assert got(files, piece_of(path)) == DATA
    assert got(files, piece_of(path, offset=1000, size=500)) == DATA[1000:1500]
    assert got(files, piece_of(path), 10) == DATA[:10]


def test_what_is_open_already_is_read_at_once(path: Path) -> None:
    files = Files()
    got(files, piece_of(path))
    answer = files.ask(piece_of(path, offset=7, size=100), 100)
    assert answer.done
    assert files.take(answer) == DATA[7:107]


def test_those_that_ask_while_the_file_is_being_opened_are_answered(path: Path) -> None:
    files = Files()
    answers = [files.ask(piece_of(path, offset=n, size=100), 100) for n in range(300)]
    for n, answer in enumerate(answers):
        while not files.is_done(answer):
            time.sleep(0.001)
        assert files.take(answer) == DATA[n : n + 100]


@pytest.mark.parametrize("changes", [{"inode": 1}, {"offset": 1}, {"at": 0}, {"pid": 2**22}])
def test_what_is_not_surely_the_same_gives_nothing(path: Path, changes: dict[str, int]) -> None:
    assert got(Files(), piece_of(path, **changes)) == b""


def test_a_file_that_changes_while_it_is_open_gives_nothing(path: Path) -> None:
    files = Files()
    assert got(files, piece_of(path)) == DATA
    sent = piece_of(path, at=time.time_ns())
    path.write_bytes(DATA[::-1])
    assert got(files, sent) == b""


def test_nothing_but_a_regular_file_is_opened(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    for path in (pipe, link, Path("/dev/zero")):
        assert got(Files(), piece_of(path, size=1)) == b""


def test_a_path_that_is_not_known_is_not_looked_for() -> None:
    piece = Piece(os.getpid(), b"", 1, 1, 0, 10, 0)
    answer = Files().ask(piece, 10)
    assert answer.done
    assert answer.data is None


def test_a_file_system_that_does_not_answer_holds_nobody_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, stuck = Files(), threading.Event()

    def hang(_root: str, _answer: Answer) -> None:
        stuck.wait()

    monkeypatch.setattr("qtap.capture.files.read_piece", hang)
    monkeypatch.setattr("qtap.capture.files._STUCK", 0.05)
    waiting = [files.ask(piece_of(path, superblock=n), 10) for n in range(4)]
    time.sleep(0.2)
    assert not any(files.is_done(answer) for answer in waiting)
    late = files.ask(piece_of(path, superblock=9), 10)
    assert late.done
    for answer in (*waiting, late):
        assert files.take(answer) == b""
    stuck.set()


def test_what_was_open_is_closed_after_a_while(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtap.capture.files._OPEN_FOR", 0.0)
    before = set(Path("/proc/self/fd").iterdir())
    files = Files()
    got(files, piece_of(path))
    assert set(Path("/proc/self/fd").iterdir()) > before
    files.tick()
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_the_record_says_the_path_from_its_end() -> None:
    data = (7).to_bytes(8, "little") + (8).to_bytes(8, "little") + (9).to_bytes(8, "little") + (1).to_bytes(8, "little")
    assert Piece.of(data + b"c\0b b\0a\0", 5, 100, 3) == Piece(5, b"a/b b/c", 7, 8, 9, 100, 3)
    assert Piece.of(data[:24] + bytes(8) + b"c\0", 5, 100, 3).path == b""


def test_no_link_on_the_path_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert got(Files(), piece_of(path)) == DATA
    assert got(Files(), piece_of(tmp_path / "link" / path.name)) == b""


def test_what_is_too_large_is_not_read_though_the_file_is_open(tmp_path: Path) -> None:
    path, size = tmp_path / "sparse", 1 << 30
    path.touch()
    os.truncate(path, size)
    files = Files()
    got(files, piece_of(path, size=1))
    tracemalloc.start()
    assert got(files, piece_of(path, size=size)) == b""
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20

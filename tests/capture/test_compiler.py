"""Keeping compiled programs: whatever the disk does, capture starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qtap.capture import compiler

EXIT = b"\x95" + bytes(7)
MAPS = [{"name": "config", "type": 2, "key": 4, "value": 16, "entries": 1, "flags": 0}]
ANSWER = json.dumps({"maps": MAPS, "programs": dict.fromkeys(compiler.PROGRAMS, EXIT.hex())}).encode()


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Count what is compiled instead of compiling it."""
    compiled: list[list[str]] = []

    def answer(texts: list[str], _types: Path, _nice: int) -> bytes:
        compiled.append(texts)
        return ANSWER

    monkeypatch.setattr(compiler, "_compile", answer)
    return compiled


def test_a_second_start_compiles_nothing(tmp_path: Path, compiles: list[list[str]]) -> None:
    first = compiler.essential(tmp_path / "cache")
    assert compiler.essential(tmp_path / "cache") == first
    assert len(compiles) == 1
    assert first.maps[0].name == "config"
    assert first.programs["on_sys_exit"] == EXIT


@pytest.mark.parametrize("damaged", [b"", ANSWER[:-9], b"[]", b'{"maps": [], "programs": {}}'])
def test_a_damaged_result_is_compiled_anew_and_replaced(tmp_path: Path, compiles: list[list[str]], damaged: bytes) -> None:
    first = compiler.essential(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damaged)
    assert compiler.essential(tmp_path) == first
    assert len(compiles) == 2
    assert kept.read_bytes() == ANSWER


def test_a_result_that_others_could_have_written_is_not_used(tmp_path: Path, compiles: list[list[str]]) -> None:
    compiler.essential(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o666)
    compiler.essential(tmp_path)
    assert len(compiles) == 2


def test_a_folder_that_cannot_be_used_is_no_reason_to_stop(tmp_path: Path, compiles: list[list[str]]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert compiler.essential(tmp_path / "file").programs
    assert len(compiles) == 1


def test_a_kept_result_is_known_before_it_is_read(tmp_path: Path, compiles: list[list[str]]) -> None:
    compiler.essential(tmp_path)
    assert not compiler.is_kept(tmp_path)
    compiler.rest(tmp_path)
    assert compiler.is_kept(tmp_path)
    assert len(compiles) == 2


def test_all_programs_are_the_essential_ones_and_the_rest(tmp_path: Path, compiles: list[list[str]]) -> None:
    assert compiler.compiled(tmp_path).programs.keys() == compiler.PROGRAMS.keys()
    assert compiler.essential(tmp_path).programs.keys().isdisjoint(compiler.rest(tmp_path).programs)
    assert len(compiles) == 2


def test_each_kernel_has_its_own(tmp_path: Path, compiles: list[list[str]]) -> None:
    other = compiler.Target("6.1.0", "#1 SMP", b"build id")
    for target in (other, other, other._replace(release="6.1.1"), other._replace(version="#2 SMP"), other._replace(notes=b"")):
        compiler.essential(tmp_path, target)
    assert len(compiles) == 4
    compiler.essential(tmp_path)
    assert len(compiles) == 5

"""The programs that run: each file once, whoever runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.executables import Executables

SLEEP = Path(shutil.which("sleep") or "/bin/sleep")


def test_an_executable_is_given_once_for_all_its_processes(tmp_path: Path) -> None:
    program = Path(shutil.copy(SLEEP.resolve(), tmp_path / "sleeper"))
    executables = Executables()
    running = [subprocess.Popen([program, "60"]) for _ in range(2)]
    try:
        found = [library for library in executables.running() if library.name == str(program)]
        assert [library.inode for library in found] == [program.stat().st_ino]
        assert found[0].executable
        assert not [library for process in running for library in executables.of(process.pid)]
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_a_process_that_is_gone_gives_nothing() -> None:
    process = subprocess.Popen([SLEEP, "0"])
    process.wait()
    assert list(Executables().of(process.pid)) == []


def test_a_replaced_file_is_looked_into_again(tmp_path: Path) -> None:
    executables = Executables()
    for _ in range(2):
        program = Path(shutil.copy(SLEEP.resolve(), tmp_path / "new"))
        os.replace(program, tmp_path / "sleeper")  # noqa: PTH105
        process = subprocess.Popen([tmp_path / "sleeper", "60"])
        try:
            assert [library.name for library in executables.of(process.pid)] == [str(tmp_path / "sleeper")]
        finally:
            process.kill()
            process.wait()


def test_installed_programs_of_go_are_given_once_and_no_others(tmp_path: Path) -> None:
    go = Path(shutil.which("go") or pytest.skip("needs Go's compiler")).resolve()
    shutil.copy(SLEEP.resolve(), tmp_path / "sleeper")
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "go").symlink_to(go)
    (tmp_path / "same").symlink_to(go)
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    executables = Executables()
    found = [library for step in executables.installed([str(tmp_path), str(tmp_path / "missing")]) for library in step]
    assert [(library.name, library.executable) for library in found] == [(str(go), True)]

"""What somebody else writes: programs and shared objects are told of, nothing else, and not too many."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from qtap.capture import written
from qtap.capture.written import Written

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may watch file systems")

PROGRAM = Path(shutil.which("bash") or "/bin/bash").resolve()
PATIENCE = 10.0


def copy(source: Path, *targets: Path) -> None:
    """Copy as another process: what this one writes is its own doing."""
    for target in targets:
        subprocess.run(["cp", source, target], check=True)


def told_of(watch: Written, folder: Path, wanted: int = 1) -> list[str]:
    """Give the names of the files of `folder` that were told of: other processes write, too."""
    names: list[str] = []
    end = time.monotonic() + PATIENCE
    while len(names) < wanted and time.monotonic() < end:
        for file, library in watch.take():
            assert os.fstat(file).st_ino == library.inode
            os.close(file)
            names += [Path(library.name).name] if Path(library.name).parent == folder else []
        time.sleep(0.01)
    return names


def test_a_program_is_told_of_once_it_is_written_and_a_text_is_not(tmp_path: Path) -> None:
    watch = Written([str(tmp_path)])
    (tmp_path / "text").write_text("#!/bin/sh\n" * 10_000)
    copy(tmp_path / "text", tmp_path / "script")
    copy(PROGRAM, tmp_path / "program")
    assert told_of(watch, tmp_path) == ["program"]
    watch.close()


def test_what_this_process_writes_is_not_told_of(tmp_path: Path) -> None:
    watch = Written([str(tmp_path)])
    shutil.copy(PROGRAM, tmp_path / "ours")
    copy(PROGRAM, tmp_path / "theirs")
    assert told_of(watch, tmp_path) == ["theirs"]
    watch.close()


def test_a_flood_is_left_alone_until_the_next_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "_MOST", 1)
    watch = Written([str(tmp_path)])
    copy(PROGRAM, tmp_path / "first")
    told_of(watch, tmp_path)
    assert 0 < watch.resting <= 1
    copy(PROGRAM, tmp_path / "unheard")
    assert list(watch.take()) == []
    monkeypatch.setattr(written, "_MOST", 1 << 30)
    time.sleep(watch.resting)
    watch.resume()
    assert not watch.resting
    copy(PROGRAM, tmp_path / "heard")
    assert told_of(watch, tmp_path) == ["heard"]
    watch.close()


def test_file_systems_that_may_not_answer_are_not_asked(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 27 0:21 / /proc rw - proc proc rw\n"
        "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 27 0:50 / /home rw - nfs4 server:/home rw\n"
        "31 27 0:51 / /opt rw - fuse.sshfs host:/ rw\n"
        "32 27 254:1 / /var rw - xfs /dev/vdb rw\n"
        "33 32 254:2 / /var/lib/docker rw - btrfs /dev/vdc rw\n"
    )
    folders = ("/", "/usr", "/opt", "/home", "/var", "/var/lib", "/var/lib/docker")
    assert written._local_roots(folders, mounts) == ["/", "/var", "/var/lib/docker"]  # noqa: SLF001 - a host without NFS

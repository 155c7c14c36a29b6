"""Files with probes: set once, and set anew when the file holds something else."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest

from qtap.capture.elf import Elf, ElfError
from qtap.capture.engine import Engine
from qtap.capture.libraries import Library
from qtap.capture.probe import ProbePoint
from qtap.capture.probed import Probed

POINTS = [ProbePoint("SSL_write", 4096, "ssl_enter", "ssl_leave_write"), ProbePoint("SSL_free", 8192, "ssl_free")]


class Kernel:
    def __init__(self) -> None:
        self.links: list[int] = []
        self.made = 0
        self.refuses = ""

    def probe(self, _path: str, program: str, _offsets: Sequence[int], **_how: object) -> list[int]:
        if program == self.refuses:
            raise OSError(errno.ENOMEM, "refused")
        self.made += 1
        self.links.append(self.made)
        return [self.made]

    def remove(self, links: Iterable[int]) -> None:
        for link in links:
            self.links.remove(link)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def probed(kernel: Kernel) -> Probed:
    return Probed(cast("Engine", kernel))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return Path(shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "program"))


def set_in(probed: Probed, program: Path, points: list[ProbePoint]) -> None:
    status = program.stat()
    library = Library(str(program), str(program), status.st_ino, status.st_size, "", modified=status.st_mtime_ns)
    with Elf(program) as elf:
        probed.drop_stale(elf.descriptor)
        if points:
            probed.put(elf, library, "openssl", points)


def test_a_file_has_its_probes_once_though_its_times_change(kernel: Kernel, probed: Probed, program: Path) -> None:
    set_in(probed, program, POINTS)
    os.utime(program, (1, 1))
    set_in(probed, program, POINTS)
    assert (kernel.links, probed.count) == ([1, 2, 3], 3)


def test_other_libraries_and_other_files_have_theirs(kernel: Kernel, probed: Probed, program: Path) -> None:
    set_in(probed, program, POINTS)
    set_in(probed, Path(shutil.copy(program, program.with_name("other"))), POINTS)
    assert len(kernel.links) == 6


def test_what_is_written_over_loses_the_probes_of_what_it_was(kernel: Kernel, probed: Probed, program: Path) -> None:
    set_in(probed, program, POINTS)
    with program.open("r+b") as file:
        file.seek(POINTS[1].offset)
        file.write(b"another function")
    set_in(probed, program, [])
    assert kernel.links == []
    set_in(probed, program, POINTS)
    with program.open("r+b") as file:
        file.truncate(POINTS[1].offset - 1)
    set_in(probed, program, [])
    assert kernel.links == []


def test_what_is_written_over_while_it_is_looked_into_gets_no_probes(kernel: Kernel, probed: Probed, program: Path) -> None:
    status = program.stat()
    with Elf(program) as elf:
        assert elf.sections
        shutil.copy("/bin/sh", program)
        with pytest.raises(ElfError, match="was written to while"):
            probed.put(elf, Library("program", "", status.st_ino, status.st_size, ""), "openssl", POINTS)
    assert kernel.links == []


def test_probes_are_set_all_or_none(kernel: Kernel, probed: Probed, program: Path) -> None:
    kernel.refuses = "ssl_free"
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(OSError, match="refused"):
        set_in(probed, program, POINTS)
    assert (kernel.links, kernel.made, probed.count) == ([], 2, 0)
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    kernel.refuses = ""
    set_in(probed, program, POINTS)
    assert len(kernel.links) == 3


def test_whoever_remembers_a_file_is_told_that_it_lost_its_probes(kernel: Kernel, program: Path) -> None:
    told: list[Library] = []
    probed = Probed(cast("Engine", kernel), told.append)
    set_in(probed, program, POINTS)
    inode = program.stat().st_ino
    program.write_bytes(b"")
    with program.open("rb") as file:
        probed.drop_stale(file.fileno())
    assert [library.inode for library in told] == [inode]


def test_other_places_in_the_same_code_replace_the_former(kernel: Kernel, probed: Probed, program: Path) -> None:
    set_in(probed, program, POINTS)
    set_in(probed, program, POINTS[1:])
    assert kernel.links == [4]


def test_a_file_that_nobody_can_run_any_more_is_let_go(kernel: Kernel, probed: Probed, program: Path) -> None:
    other = Path(shutil.copy(program, program.with_name("other")))
    set_in(probed, program, POINTS)
    set_in(probed, other, POINTS[1:])
    inodes = {program.stat().st_ino, other.stat().st_ino}
    assert probed.removed() == set()
    removed = program.stat().st_ino
    program.unlink()
    assert probed.removed() == {removed}
    (library,) = probed.let_go(inodes)
    assert library.inode == removed
    assert not probed.removed()
    end = time.monotonic() + 10
    while len(kernel.links) > 1 and time.monotonic() < end:  # another thread removes them
        time.sleep(0.01)
    assert kernel.links == [4]

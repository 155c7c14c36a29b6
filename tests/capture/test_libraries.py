"""Discovery of libraries: real processes that map copies of libssl, and the linker's cache against ldconfig."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.elf import Elf
from qtap.capture.ldcache import cached_paths, library_paths
from qtap.capture.libraries import Library, inodes_in_use, libraries, libraries_in_root, libraries_of

CACHE = Path("/etc/ld.so.cache")
_SYSTEM = sorted(Path("/usr/lib").glob("*-linux-gnu/libssl.so.3")) + sorted(Path("/usr/lib64").glob("libssl.so.3"))
SYSTEM = _SYSTEM[0] if _SYSTEM else Path("/nothing")
Mapper = Callable[[Path], int]
LOAD = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def mapper() -> Iterator[Mapper]:
    """Start processes that map a library; gives their numbers."""
    running: list[subprocess.Popen[bytes]] = []

    def start(library: Path) -> int:
        process = subprocess.Popen([sys.executable, "-c", LOAD, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout
        process.stdout.readline()
        return process.pid

    yield start
    for process in running:
        process.communicate()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    if not SYSTEM.exists():
        pytest.skip("no libssl on this host")
    return Path(shutil.copy(SYSTEM, tmp_path / "libssl-0badcafe.so.3"))


def only(found: Iterator[Library], path: Path) -> Library:
    (library,) = [library for library in found if library.name == str(path)]
    return library


def test_a_library_that_processes_have_mapped_is_given_once_with_all_of_them(mapper: Mapper, copy: Path) -> None:
    pids = [mapper(copy), mapper(copy)]
    library = only(libraries(cache=Path("/nothing")), copy)
    assert library.pids == sorted(pids)
    assert library.path == str(copy)
    assert library.inode == copy.stat().st_ino
    assert library.size == copy.stat().st_size
    assert not library.deleted
    assert not library.problem
    with Elf(SYSTEM) as elf:
        assert library.build_id == elf.build_id != ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may follow a mapping")
def test_a_library_that_was_removed_is_still_opened_through_its_mapping(mapper: Mapper, copy: Path) -> None:
    pid = mapper(copy)
    content = copy.read_bytes()
    copy.unlink()
    library = only(libraries_of(pid), copy)
    assert library.deleted
    assert library.path.startswith(f"/proc/{pid}/map_files/")
    assert Path(library.path).read_bytes() == content


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may follow a mapping")
def test_an_upgrade_in_place_leaves_two_files_of_one_name(mapper: Mapper, copy: Path) -> None:
    old = mapper(copy)
    shutil.copy(copy, copy.with_name("new"))
    copy.with_name("new").rename(copy)
    new = mapper(copy)
    before, after = only(libraries_of(old), copy), only(libraries_of(new), copy)
    assert before.name == after.name == str(copy)
    assert before.identity != after.identity
    assert Path(before.path).stat().st_ino == before.inode
    assert (before.deleted, after.deleted) == (True, False)


def test_a_shared_object_of_another_name_may_carry_a_library_when_it_is_large_enough(mapper: Mapper, copy: Path) -> None:
    other, small = copy.with_name("_native.so"), copy.with_name("_small.so")
    shutil.copy(copy, other)
    subprocess.run(["gcc", "-shared", "-x", "c", "/dev/null", "-o", small], check=True)
    pid = mapper(other)
    assert only(libraries_of(pid), other).executable
    assert not only(libraries_of(mapper(copy)), copy).executable
    assert str(small) not in [library.name for library in libraries_of(mapper(small))]
    assert [library.name for library in libraries_of(pid, inode=other.stat().st_ino) if library.executable] == [str(other)]


def test_a_process_that_is_gone_gives_nothing() -> None:
    assert list(libraries_of(2**22 + 1)) == []


def test_the_linkers_libraries_are_given_though_nobody_maps_them(tmp_path: Path) -> None:
    if not SYSTEM.exists():
        pytest.skip("no libssl on this host")
    (tmp_path / "proc").mkdir()
    found = list(libraries(tmp_path / "proc", CACHE))
    assert os.path.realpath(SYSTEM) in [library.path for library in found]
    assert len({library.identity for library in found}) == len(found)
    assert all(library.pids == [] for library in found)


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A made-up /proc: two containers that share a layer, seen under different device numbers, a text and a missing file."""
    root = tmp_path / "layer"
    (root / "lib").mkdir(parents=True)
    (root / "lib/libssl.so.3").write_bytes(b"\x7fELF" + b"\0" * 100)
    (root / "lib/libssl.so.1.1").write_text("no library")
    inode = {name: (root / "lib" / name).stat().st_ino for name in ("libssl.so.3", "libssl.so.1.1")}
    for pid, device in ((20, "00:34"), (21, "00:3e")):
        folder = tmp_path / "proc" / str(pid)
        folder.mkdir(parents=True)
        (folder / "root").symlink_to(root)
        (folder / "maps").write_text(
            f"7f0000000000-7f0000001000 r--p 00000000 {device} {inode['libssl.so.3']}   /lib/libssl.so.3\n"
            f"7f0000001000-7f0000002000 r-xp 00001000 {device} {inode['libssl.so.3']}   /lib/libssl.so.3\n"
            f"7f0000003000-7f0000004000 r-xp 00000000 {device} {inode['libssl.so.1.1']}   /lib/libssl.so.1.1\n"
            f"7f0000005000-7f0000006000 r-xp 00000000 {device} 4242   /lib/libssl.so.9\n"
            "7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0   [vdso]\n"
        )
    return tmp_path / "proc"


def test_containers_that_share_a_file_are_probed_once_through_the_root_of_one(container: Path) -> None:
    found = {library.name: library for library in libraries(container, Path("/nothing")) if library.pids}
    assert sorted(found) == ["/lib/libssl.so.1.1", "/lib/libssl.so.3"]
    assert found["/lib/libssl.so.3"].path == f"{container}/20/root/lib/libssl.so.3"
    assert found["/lib/libssl.so.3"].pids == [20, 21]


def test_a_file_that_cannot_be_probed_says_why(container: Path) -> None:
    found = {library.name: library for library in libraries_of(20, container)}
    assert "little-endian 64-bit" in found["/lib/libssl.so.3"].problem
    assert "cut short" in found["/lib/libssl.so.1.1"].problem


@pytest.mark.skipif(not CACHE.exists() or not shutil.which("ldconfig", path="/sbin:/usr/sbin"), reason="no linker cache here")
def test_the_cache_is_read_as_ldconfig_reads_it() -> None:
    printed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    expected = [line.rpartition(" => ")[2] for line in printed.splitlines() if " => " in line]
    assert cached_paths(CACHE.read_bytes()) == expected
    wanted = expected[0].rpartition("/")[2]
    assert expected[0] in library_paths(CACHE, lambda name: name == wanted)


def old_cache() -> bytes:
    """The form of glibc before 2.33: an old table, then the new one with its strings."""
    strings = b"libssl.so.3\0/lib/libssl.so.3\0"
    entry = struct.pack("<iIIIQ", 0x303, 48 + 24, 48 + 24 + 12, 0, 0)
    new = struct.pack("<20sII20x", b"glibc-ld.so.cache1.1", 1, len(strings)) + entry + strings
    return b"ld.so-1.7.0\0" + struct.pack("<I", 0) + new


def test_the_older_form_of_the_cache_is_read() -> None:
    assert cached_paths(old_cache()) == ["/lib/libssl.so.3"]
    assert cached_paths(b"ld.so-1.7.0\0") == []


@given(st.integers(0, len(old_cache())), st.binary(max_size=8), st.integers(0, len(old_cache())))
def test_a_damaged_cache_raises_nothing(size: int, junk: bytes, at: int) -> None:
    blob = old_cache()[:size]
    for path in cached_paths(blob[:at] + junk + blob[at:]):
        assert "\0" not in path


def test_a_missing_cache_leaves_the_usual_folders(tmp_path: Path) -> None:
    assert all(Path(path).is_absolute() for path in library_paths(tmp_path / "nothing", lambda name: name.startswith("libc.")))


def test_the_libraries_of_a_new_root_are_found_before_anybody_maps_them(copy: Path, tmp_path: Path) -> None:
    root = tmp_path / "7" / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    shutil.copy(copy, root / "usr" / "lib" / "libssl.so.3")
    shutil.copy(copy, root / "usr" / "lib" / "libother.so.1")
    os.mkfifo(root / "usr" / "lib" / "libssl.so.1.1")
    (library,) = libraries_in_root(7, tmp_path)
    assert (library.name, library.path) == ("/lib/libssl.so.3", f"{root}/lib/libssl.so.3")
    assert list(libraries_in_root(8, tmp_path)) == []


def test_what_runs_or_is_mapped_is_in_use_though_it_has_no_name_any_more(mapper: Mapper, copy: Path) -> None:
    mapper(copy)
    library, program = copy.stat().st_ino, Path(sys.executable).resolve().stat().st_ino
    copy.unlink()
    used = set().union(*inodes_in_use())
    assert {library, program} <= used

"""The ELF reader against pyelftools on this machine's real programs, a program built here, and damaged files."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.elf import Elf, ElfError
from qtap.capture.elf_file import find_in_turns

PYTHON = Path(sys.executable).resolve()
_CANDIDATES = [PYTHON, *(Path(path) for path in ("/bin/ls", "/usr/bin/curl", "/usr/sbin/nginx"))]
_CANDIDATES += sorted(Path("/usr/lib").glob("*-linux-gnu/libssl.so.*")) + sorted(Path("/usr/lib").glob("*-linux-gnu/libc.so.6"))
REAL = [path for path in _CANDIDATES if path.exists()]


def defined_functions(elf: ELFFile) -> dict[str, set[int]]:
    """Every address under each name: a library may define several versions of one function."""
    section = elf.get_section_by_name(".dynsym")
    assert isinstance(section, SymbolTableSection)
    found: dict[str, set[int]] = {}
    for symbol in section.iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            found.setdefault(symbol.name, set()).add(symbol["st_value"])
    return found


@pytest.mark.parametrize("path", REAL, ids=str)
def test_functions_lie_where_another_reader_finds_them(path: Path) -> None:
    with path.open("rb") as file, Elf(path) as ours:
        theirs = ELFFile(file)
        expected = defined_functions(theirs)
        names = sorted(expected)[:: max(1, len(expected) // 50)]
        found = ours.symbols([*names, "no_such_function"])
        assert sorted(found) == names
        for name in names:
            assert found[name].address in expected[name]
            assert found[name].offset == next(theirs.address_offsets(found[name].address))


@pytest.mark.parametrize("path", REAL, ids=str)
def test_build_id_and_needed_libraries_are_those_of_another_reader(path: Path) -> None:
    with path.open("rb") as file, Elf(path) as ours:
        theirs = ELFFile(file)
        dynamic = theirs.get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        assert ours.needed == [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]
        notes = theirs.get_section_by_name(".note.gnu.build-id")
        assert ours.build_id == (next(notes.iter_notes())["n_desc"] if isinstance(notes, NoteSection) else "")
        assert ours.stripped == (theirs.get_section_by_name(".symtab") is None)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc"):
        pytest.skip("no C compiler on this host")
    folder = tmp_path_factory.mktemp("program")
    source = folder / "program.c"
    source.write_text(
        "static __attribute__((noinline)) int tail_of_name(int n) { return n * 7; }\n"
        "__attribute__((noinline)) int long_tail_of_name(int n) { return tail_of_name(n) + 1; }\n"
        "int of_name; int main(int argc, char **argv) { return long_tail_of_name(argc); }\n"
    )
    subprocess.run(["gcc", "-O1", "-Wl,--build-id=0x0badcafe", "-o", folder / "program", source], check=True)
    return folder / "program"


def test_a_program_with_symbols_gives_its_local_functions(program: Path) -> None:
    with Elf(program) as elf:
        assert sorted(elf.symbols({"main", "tail_of_name", "long_tail_of_name", "of_name"})) == [
            "long_tail_of_name",
            "main",
            "tail_of_name",
        ]
        assert not elf.stripped
        assert elf.build_id == "0badcafe"
        main = elf.symbols({"main"})["main"]
        assert elf.section_at(main.address) == ".text"
        assert len(elf.read(main.offset, main.size)) == main.size > 0


def test_a_stripped_program_says_so_and_has_no_local_functions(program: Path, tmp_path: Path) -> None:
    subprocess.run(["strip", "-o", tmp_path / "stripped", program], check=True)
    with Elf(tmp_path / "stripped") as elf:
        assert elf.stripped
        assert elf.symbols({"main"}) == {}


def test_a_library_without_hash_table_is_searched_by_its_symbols(program: Path, tmp_path: Path) -> None:
    library = tmp_path / "old.so"
    source = program.with_name("program.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-s", "-Wl,--hash-style=sysv", "-o", library, source], check=True)
    with Elf(library) as elf:
        assert not any(section.name == ".gnu.hash" for section in elf.sections)
        assert sorted(elf.symbols({"long_tail_of_name", "of_name"})) == ["long_tail_of_name"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut short"),
        (b"#!/bin/sh\n" * 20, "is not an ELF file"),
        (b"\x7fELF\x01\x01" + b"\0" * 90, "little-endian 64-bit"),
        (b"\x7fELF\x02\x02" + b"\0" * 90, "little-endian 64-bit"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ElfError, match=words):
        Elf(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ElfError, match="not a regular file"):
        Elf(tmp_path / "pipe")
    with pytest.raises(ElfError, match="No such file"):
        Elf(tmp_path / "nothing")
    with pytest.raises(ElfError, match="opened"):
        Elf("nul\0byte")


def test_a_file_that_names_the_same_piece_for_ever_is_refused(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = program.stat().st_size
    monkeypatch.setattr("qtap.capture.elf_file._READ_LIMIT", 4 * size)
    with Elf(program) as elf:
        elf.read(0, size)
        elf.read(0, size)
        elf.read(0, size)
        with pytest.raises(ElfError, match="again and again"):
            elf.read(0, size)


def test_an_address_that_stands_everywhere_is_not_looked_for_for_ever(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtap.capture.elf._DATA", {".text"})
    with Elf(program) as elf:
        text = next(section for section in elf.sections if section.name == ".text")
        monkeypatch.setattr(elf, "read", lambda _offset, size: bytes(size))
        monkeypatch.setitem(elf.__dict__, "sections", [text._replace(size=1 << 20)])
        assert 0 < len(elf.pointers_to(0)) <= 4096


@pytest.mark.parametrize("at", [0, 5, (1 << 20) - 2, 1 << 20, (1 << 21) + 1])
def test_what_lies_across_two_turns_is_found(at: int) -> None:
    data = bytes(at) + b"word" + bytes(9)
    assert [find_in_turns(data, b"word", start) for start in (0, at, at + 1, len(data))] == [at, at, -1, -1]


def test_a_file_is_changed_once_its_parts_lie_elsewhere(program: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(program, tmp_path / "copy"))
    with Elf(copy) as elf:
        at = copy.read_bytes().index(bytes.fromhex(elf.build_id))
        assert not elf.is_changed
        os.utime(copy, (1, 1))
        with copy.open("r+b") as file:  # as the go command does
            file.seek(at)
            file.write(b"other")
        assert not elf.is_changed
        shutil.copy("/bin/sh", copy)
        assert elf.is_changed
        copy.write_bytes(b"")
        assert elf.is_changed


def test_an_address_outside_every_segment_is_refused(program: Path) -> None:
    with Elf(program) as elf, pytest.raises(ElfError, match="maps nothing at 0xffffffff"):
        elf.offset_of(0xFFFFFFFF)


def everything(path: Path) -> None:
    with contextlib.suppress(ElfError), Elf(path) as elf:
        for ask in (lambda: elf.build_id, lambda: elf.needed, lambda: elf.symbols({"main", "long_tail_of_name"})):
            with contextlib.suppress(ElfError):
                ask()


@given(data=st.data())
def test_damaged_files_raise_nothing_else(program: Path, data: st.DataObject) -> None:
    whole = bytearray(program.read_bytes())
    headers = int.from_bytes(whole[40:48], "little")
    interesting = st.one_of(st.integers(0, 2000), st.integers(headers, len(whole) - 1), st.integers(0, len(whole) - 1))
    for at in data.draw(st.lists(interesting, max_size=12)):
        whole[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    damaged = program.with_name("damaged")
    damaged.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    everything(damaged)

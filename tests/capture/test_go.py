"""Probe points in Go programs: against the symbols of one that has them, and what objdump says of its code."""

from __future__ import annotations

import contextlib
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.elf import Elf, ElfError
from qtap.capture.go import GO, returns
from qtap.capture.pclntab import GoFunction, go_table
from tests.live.golang import build

needs_go = pytest.mark.skipif(not shutil.which("go") or not shutil.which("objdump"), reason="needs Go's compiler and objdump")
PREFIX = "crypto/tls.(*Conn)."


@pytest.fixture(scope="module", params=["plain", pytest.param("unoptimized", marks=pytest.mark.matrix)])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a program with symbols, as the compiler makes it and as it does for debuggers."""
    return build("go", tmp_path_factory.mktemp("go"), request.param)


def disassembled(path: Path, function: str) -> dict[int, str]:
    """Give objdump's text of each instruction of a function, by its address."""
    command: list[str | Path] = ["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", path]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^ *([0-9a-f]+):\t([^<#\n]*)", listing, re.MULTILINE)
    return {int(address, 16): text.strip() for address, text in lines}


@needs_go
def test_entries_are_probed_behind_the_check_for_room(program: Path) -> None:
    with Elf(program) as elf:
        points = {point.symbol: point for point in GO.probe_points(elf) if point.cheap}
        base = next(s.address - s.offset for s in elf.sections if s.name == ".text")
    assert {f"{PREFIX}{name}" for name in ("writeRecordLocked", "clientHandshake", "serverHandshake", "Close")} <= set(points)
    for name, point in points.items():
        code = disassembled(program, name)
        before = [text for address, text in code.items() if address < point.offset + base]
        assert code[point.offset + base].split()[0] in ("push", "jbe")
        assert [text.split()[0] for text in before if not text.startswith("jbe")] in (["cmp"], ["lea", "cmp"])


@needs_go
def test_a_read_ends_in_the_deferred_function_or_at_every_return(program: Path) -> None:
    code = disassembled(program, f"{PREFIX}Read")
    with Elf(program) as elf:
        points = GO.probe_points(elf)
        base = next(s.address - s.offset for s in elf.sections if s.name == ".text")
    ends = [point for point in points if point.enter.startswith("go_read")]
    if program.name == "plain":
        assert [point.enter for point in ends] == ["go_read_unlocks"]
        assert not {point.offset + base for point in ends} & set(code)
    else:
        assert {point.enter for point in ends} == {"go_read_returns"}
        assert {point.offset + base for point in ends} == {address for address, text in code.items() if text == "ret"}


@needs_go
def test_every_instruction_of_the_functions_has_the_length_that_objdump_gives(program: Path) -> None:
    with Elf(program) as elf:
        table = go_table(elf, PREFIX, lambda _: True)
        text = next(section for section in elf.sections if section.name == ".text")
        assert table.text in (0, text.address)
        compared = 0
        for function in table.functions:
            code = disassembled(program, function.name)
            begin = min(code)
            assert begin == text.address + function.start
            with contextlib.suppress(ElfError):  # vector instructions
                found = returns(elf.read(elf.offset_of(begin), function.end - function.start))
                assert [at + begin for at in found] == [address for address, line in code.items() if line == "ret"]
                compared += 1
    assert compared > 40


def test_other_programs_have_no_go_functions() -> None:
    with Elf("/usr/bin/env") as elf:
        assert GO.probe_points(elf) == []


NAMES = b"\0go.buildid\0crypto/tls.(*Conn).Read\0crypto/tls.(*Conn).Close\0\0\0\0"


def file_with(table: bytes, folder: Path) -> Path:
    """Make the smallest ELF file that has Go's sections and `table`."""
    names = b"\0.note.go.buildid\0.gopclntab\0.shstrtab\0"
    sections = [(0, 0, 0, 0), (1, 64, 0, 0), (18, 64, len(table), 0), (29, 64 + len(table), len(names), 0)]
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0, 0, 64 + len(table) + len(names), 0, 64, 0, 0, 64, 4, 3
    )
    raw = b"".join(struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0) for name, at, size, _ in sections)
    path = folder / "program"
    path.write_bytes(header + table + names + raw)
    return path


def table_with(magic: int = 0xFFFFFFF1) -> bytes:
    """Make a table of three functions, 32 bytes each, whose code begins at 0x401000."""
    found = [(0, 32, NAMES.index(b"go.")), (32, 40, NAMES.index(b"crypto")), (64, 48, NAMES.rindex(b"crypto"))]
    functions = b"".join(struct.pack("<II", start, at) for start, at, _ in found) + struct.pack("<II", 96, 0)
    functions += b"".join(struct.pack("<Ii", start, name) for start, _, name in found)
    header = struct.pack("<IHBB8Q", magic, 0, 1, 8, 3, 0, 0x401000, 72, 72 + len(NAMES), 0, 0, 72 + len(NAMES))
    return header + NAMES + functions


def functions_of(table: bytes, folder: Path) -> list[GoFunction]:
    with Elf(file_with(table, folder)) as elf:
        return go_table(elf, PREFIX, lambda _: True).functions


def test_functions_are_found_by_name(tmp_path: Path) -> None:
    table = table_with()
    assert functions_of(table, tmp_path) == [(f"{PREFIX}Read", 32, 64), (f"{PREFIX}Close", 64, 96)]
    assert functions_of(table_with(0xFFFFFFF0), tmp_path) == functions_of(table, tmp_path)
    assert functions_of(table_with(0xFFFFFFFB), tmp_path) == []


def test_names_without_end_are_not_looked_for(tmp_path: Path) -> None:
    names = b"".join(b"\0" + PREFIX.encode() + b"Read.dwrap.%d" % number for number in range(2000)) + b"\0"
    header = struct.pack("<IHBB8Q", 0xFFFFFFF1, 0, 1, 8, 1, 0, 0, 72, 72 + len(names), 0, 0, 72 + len(names) + -len(names) % 8)
    table = header + names + bytes(-len(names) % 8 + 16 + (4 << 20))
    began = time.process_time()
    assert functions_of(table, tmp_path) == []
    assert time.process_time() - began < 2


@pytest.mark.hypothesis
@given(st.integers(0, 220), st.binary(max_size=16), st.integers(0, 220))
def test_a_damaged_table_gives_an_answer(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes, end: int) -> None:
    table = table_with()
    damaged = (table[:at] + noise + table[at + len(noise) :])[: max(end, 1)]
    with contextlib.suppress(ElfError):
        assert len(functions_of(damaged, tmp_path_factory.getbasetemp())) <= 2

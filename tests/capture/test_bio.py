"""Where memory BIOs read and write: on this machine's libcrypto against objdump, on tables built here against their symbols."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.bio import LIBCRYPTO, bio_points
from qtap.capture.elf import Elf
from qtap.capture.tls import library_of

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")

FUNCTIONS = """
#define F(name) __attribute__((visibility("hidden"))) int name(void *b, char *d, int n) { \
  extern int out(void *, char *, int); return out(b, d, n) + out(d, b, n); }
F(mem_read) F(mem_write) F(pair_read) F(pair_write) F(other)
F(bread_conv) F(bwrite_conv)
struct method { int type; const char *name; void *f[8]; };
"""
SINCE_111 = """
static const struct method mem = {1, "memory", {bwrite_conv, mem_write, bread_conv, mem_read, other, other, other, other}};
static const struct method pair = {2, "pair", {bwrite_conv, pair_write, bread_conv, pair_read, other, other, other, other}};
const void *BIO_s_bio(void) { return &pair; }
int BIO_read_ex(void *b) { return other(b, 0, 0); }
"""
BEFORE = """
static const struct method mem = {1, "memory", {mem_write, mem_read, other, other, other, other, other, other}};
"""
GETTER = "const void *BIO_s_mem(void) { return &mem; }\n"


def build(folder: Path, source: str, *options: str) -> Path:
    (folder / "bio.c").write_text(FUNCTIONS + source + GETTER)
    library = folder / "libcrypto.so.3"
    subprocess.run(
        [
            "gcc",
            "-O2",
            "-fno-ipa-icf",
            *(options if "-no-pie" in options else ("-fPIC", "-shared", *options)),
            "-o",
            library,
            folder / "bio.c",
        ],
        check=True,
    )
    return library


def found_in(library: Path) -> dict[str, list[str]]:
    """Give the functions of the probes, by program."""
    with Elf(library) as elf:
        names = ("mem_read", "mem_write", "pair_read", "pair_write", "bread_conv", "bwrite_conv", "other")
        starts = {symbol.offset: name for name, symbol in elf.symbols(names).items()}
        found: dict[str, list[str]] = {}
        for point in bio_points(elf):
            # A probe may stand a few instructions into its function.
            start = max(offset for offset in starts if offset <= point.offset)
            found.setdefault(point.enter, []).append(starts[start])
    return found


@pytest.mark.parametrize(
    "options", [(), ("-fcf-protection=full",), ("-Wl,-z,pack-relative-relocs",), ("-fno-omit-frame-pointer",)]
)
def test_the_functions_of_memory_and_pairs_are_found(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert found_in(build(tmp_path, SINCE_111, *options)) == {
        "bio_enter_read": ["mem_read", "pair_read"],
        "bio_enter_write": ["mem_write", "pair_write"],
    }


def test_the_older_table_is_read_as_such(tmp_path: Path) -> None:
    assert found_in(build(tmp_path, BEFORE)) == {"bio_enter_read": ["mem_read"], "bio_enter_write": ["mem_write"]}


def test_a_program_at_a_fixed_address_has_its_table_without_relocations(tmp_path: Path) -> None:
    source = SINCE_111 + "int out(void *b, char *d, int n) { return n; } int main(void) { return 0; }\n"
    program = build(tmp_path, source, "-fno-pic", "-no-pie", "-nostartfiles", "-Wl,-e,main")
    assert found_in(program)["bio_enter_read"] == ["mem_read", "pair_read"]


@pytest.mark.parametrize(
    "getter",
    ["extern void *table; const void *BIO_s_mem(void) { return table; }", "long BIO_s_mem(void) { return 0x1234567; }"],
)
def test_what_is_not_sure_gives_nothing(tmp_path: Path, getter: str) -> None:
    (tmp_path / "bio.c").write_text(getter)
    library = tmp_path / "libcrypto.so.3"
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", library, tmp_path / "bio.c"], check=True)
    assert found_in(library) == {}


@pytest.mark.parametrize(
    ("name", "expected"), [("libcrypto.so.3", True), ("libcrypto-88ac6a6b.so.1.1", True), ("libcrypto3.so", False)]
)
def test_libcrypto_is_told_by_its_name(name: str, *, expected: bool) -> None:
    assert (library_of(name) is LIBCRYPTO) == expected

"""Where memory BIOs read and write: on this machine's libcrypto against objdump, on tables built here against their symbols."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from qtap.capture.bio import LIBCRYPTO, bio_points, unnamed_bio_points
from qtap.capture.elf import Elf
from qtap.capture.probe import ProbePoint
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
BORINGSSL = """
static const struct method mem = {0x401, "memory buffer", {0, mem_write, mem_read, other, other, other, other, 0}};
static const struct method safe = {0x401, "secure memory buffer", {0, other, other, other, other, other, other, 0}};
static const struct method pair = {0x413, "BIO pair", {pair_write, pair_read, 0, 0, other, other, other, 0}};
const void *tables[] = {&mem, &safe, &pair};
"""
NAMELESS = """
static const struct method mem = {0x401, 0, {mem_write, mem_read, other, other, other, other, 0}};
static const struct method file = {0x402, 0, {other, other, other, other, 0, other, 0}};
static const struct method pair = {0x413, 0, {pair_write, pair_read, 0, other, other, other, 0}};
const void *tables[] = {&mem, &file, &pair};
"""
GETTER = "const void *BIO_s_mem(void) { return &mem; }\n"


def build(folder: Path, source: str, *options: str, getter: str = GETTER) -> Path:
    (folder / "bio.c").write_text(FUNCTIONS + source + getter)
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


def found_in(library: Path, points: Callable[[Elf], list[ProbePoint]] = bio_points) -> dict[str, list[str]]:
    """Give the functions of the probes, by program."""
    with Elf(library) as elf:
        names = ("mem_read", "mem_write", "pair_read", "pair_write", "bread_conv", "bwrite_conv", "other")
        starts = {symbol.offset: name for name, symbol in elf.symbols(names).items()}
        found: dict[str, list[str]] = {}
        for point in points(elf):
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


@pytest.mark.parametrize("source", [BORINGSSL, NAMELESS], ids=["names", "no-names"])
@pytest.mark.parametrize("getter", [GETTER, ""], ids=["named", "unnamed"])
@pytest.mark.parametrize("options", [(), ("-Wl,-z,pack-relative-relocs",)])
def test_the_tables_of_boringssl_are_told_by_what_they_call_themselves_and_by_their_shape(
    tmp_path: Path, source: str, getter: str, options: tuple[str, ...]
) -> None:
    library = build(tmp_path, source, *options, getter=getter)
    points = bio_points if getter else partial(unnamed_bio_points, twins=False)
    assert found_in(library, points) == {
        "bio_enter_read": ["mem_read", "pair_read"],
        "bio_enter_write": ["mem_write", "pair_write"],
    }


def test_two_tables_alike_are_not_sure(tmp_path: Path) -> None:
    twice = BORINGSSL.replace('"secure memory buffer"', '"memory buffer"')
    found = found_in(build(tmp_path, twice, getter=""), partial(unnamed_bio_points, twins=False))
    assert found == {"bio_enter_read": ["pair_read"], "bio_enter_write": ["pair_write"]}


@pytest.mark.parametrize(
    "pair",
    [
        '{0x413, "stream", {pair_write, pair_read, 0, other, other, other, 0}}',
        "{0x413, 0, {pair_write, 0, 0, other, other, other, 0}}",
        "{0x413, 0, {pair_write, pair_read, 0, other, other, other, other}}",
        "{0x413, 0, {pair_write, (void *)&mem, 0, other, other, other, 0}}",
        "{0x413, 0, {other, other, 0, other, other, other}}, twin = {0x413, 0, {other, other, 0, other, other, other}}",
    ],
    ids=["named-otherwise", "no-read", "a-callback", "data", "two"],
)
def test_a_table_without_a_name_is_taken_for_what_it_is_like_alone(tmp_path: Path, pair: str) -> None:
    source = NAMELESS.replace("{0x413, 0, {pair_write, pair_read, 0, other, other, other, 0}}", pair)
    source += "const void *more = &twin;" if "twin" in pair else ""
    found = found_in(build(tmp_path, source, getter=""), partial(unnamed_bio_points, twins=False))
    assert found == {"bio_enter_read": ["mem_read"], "bio_enter_write": ["mem_write"]}


def test_a_bio_that_a_program_brings_is_known_by_its_functions(tmp_path: Path) -> None:
    names = ("bio_java_bytebuffer_read", "bio_java_bytebuffer_write")
    library = build(tmp_path, "".join(f"F({name})" for name in names), getter="")
    with Elf(library) as elf:
        assert [point.symbol for point in bio_points(elf)] == [*names]
        assert [point.enter for point in bio_points(elf)] == ["bio_enter_read", "bio_enter_write"]


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

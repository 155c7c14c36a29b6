"""OpenSSL in files without symbols: the functions found are those that the symbols name in the same build before stripping."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.elf import Elf
from qtap.capture.openssl import OPENSSL
from qtap.capture.openssl_stripped import stripped_points, why_unseen
from qtap.capture.prologue import stack_arguments

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")

CLIENT = Path(__file__).parents[1] / "live" / "static.c"
HEAD = """
#define HIDDEN __attribute__((noinline))
extern void report(const char *function);
extern int pass(void *s, void *b, unsigned long n, unsigned long *count);
"""
NORMAL = """
HIDDEN int ssl_read_internal(void *s, void *b, unsigned long n, unsigned long *count) {
  int r = pass(s, b, n, count); if (r < 0) report(__func__); return r; }
HIDDEN int ssl_write_internal(void *s, void *b, unsigned long n, FLAGS unsigned long *count) {
  int r = pass(b, s, n, count); if (r < 0) report(__func__); return r; }
int SSL_read(void *s, void *b, int n) { unsigned long c; if (n < 0) { report(__func__); return -1; }
  int r = ssl_read_internal(s, b, n, &c); return r > 0 ? (int)c : r; }
int SSL_write(void *s, void *b, int n) { unsigned long c; if (n < 0) { report(__func__); return -1; }
  int r = ssl_write_internal(s, b, n, NO_FLAGS &c); return r > 0 ? (int)c : r; }
"""
INLINED = NORMAL.replace("HIDDEN int", "static inline __attribute__((always_inline)) int")
SECOND_USER = NORMAL + '\nvoid also(void) { report("ssl_read_internal"); }\n'
OTHER_CALLER = NORMAL.replace("ssl_write_internal(s, b, n, NO_FLAGS &c)", "pass(s, b, n, &c)")
COUNT_ELSEWHERE = NORMAL.replace("NO_FLAGS &c)", "NO_FLAGS b)")


def build(folder: Path, source: str, *options: str, flags: bool = False) -> Path:
    file, code = folder / "library.so", folder / "library.c"
    code.write_text(HEAD + source)
    macros = ["-DFLAGS=unsigned long flags,", "-DNO_FLAGS=0,"] if flags else ["-DFLAGS=", "-DNO_FLAGS="]
    hidden = ["-fvisibility=hidden", "-fno-ipa-sra", "-fno-ipa-cp"]
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", *hidden, *macros, *options, "-o", file, code], check=True)
    return file


def addresses(file: Path) -> dict[str, int]:
    with Elf(file) as elf:
        names = ("ssl_read_internal", "ssl_write_internal", "ssl_peek_internal", "SSL_new")
        return {name: symbol.offset for name, symbol in elf.symbols(names).items()}


def found_in(file: Path) -> dict[str, tuple[int, str]]:
    with Elf(file) as elf:
        assert elf.stripped
        return {point.symbol: (point.offset, point.enter) for point in stripped_points(elf)}


def strip(file: Path) -> Path:
    stripped = file.with_name("stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, file], check=True)
    return stripped


@pytest.mark.parametrize("options", [("-pie",), ("-no-pie",), ("-static",), ("-static-pie", "-fPIE")])
def test_debians_static_library_is_found_in_every_kind_of_program(tmp_path: Path, options: tuple[str, ...]) -> None:
    program = tmp_path / "client"
    command: list[str | Path] = ["gcc", "-O2", *options, "-o", program, CLIENT, "-l:libssl.a", "-l:libcrypto.a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no static OpenSSL to build with")
    expected = addresses(program)
    found = found_in(strip(program))
    assert {name: at for name, (at, _) in found.items() if name in expected} == expected
    assert {name: found[name][1] for name in expected} == {
        "ssl_read_internal": "ssl_enter_4",
        "ssl_write_internal": "ssl_enter_4",
        "ssl_peek_internal": "ssl_enter_silent",
        "SSL_new": "",
    }
    assert found.keys() >= {"BIO_s_mem:read", "BIO_s_mem:write"}


@pytest.mark.parametrize(("flags", "enter"), [(False, "ssl_enter_4"), (True, "ssl_enter_5")])
@pytest.mark.parametrize("options", [(), ("-fcf-protection=full",), ("-fstack-protector-strong",)])
def test_where_the_count_goes_is_read_from_the_caller(
    tmp_path: Path, options: tuple[str, ...], enter: str, *, flags: bool
) -> None:
    library = build(tmp_path, NORMAL, *options, flags=flags)
    expected = addresses(library)
    found = found_in(strip(library))
    assert found["ssl_write_internal"][1] == enter
    assert found["ssl_read_internal"][1] == "ssl_enter_4"
    # A probe may stand a few bytes into its function, past endbr64.
    assert all(0 <= found[name][0] - at <= 4 for name, at in expected.items())


@pytest.mark.parametrize("source", [INLINED, SECOND_USER, OTHER_CALLER, COUNT_ELSEWHERE])
def test_what_is_not_sure_gives_nothing(tmp_path: Path, source: str) -> None:
    assert found_in(strip(build(tmp_path, source))) == {}


def test_a_program_that_only_names_the_functions_has_none(tmp_path: Path) -> None:
    library = build(tmp_path, 'const char *names[] = {"ssl_read_internal", "ssl_write_internal", "SSL_read", "SSL_write"};')
    assert found_in(strip(library)) == {}


@pytest.mark.parametrize(
    ("strings", "expected"),
    [
        (("ssl/s3_both.cc", "BoringSSL"), "BoringSSL"),
        (("../ssl/ssl_lib.c", "OpenSSL 1.1.1n  15 Mar 2022"), "OpenSSL 1"),
        (("ssl_write_internal", "OpenSSL 3.5.1 1 Jul 2025"), "OpenSSL 3"),
        (("OpenSSL 3.5.1 1 Jul 2025",), ""),
        (("nothing",), ""),
    ],
)
def test_the_reason_names_the_library(tmp_path: Path, strings: tuple[str, ...], expected: str) -> None:
    text = "".join(f'"{string}", ' for string in strings)
    with Elf(strip(build(tmp_path, f"const char *all[] = {{{text}}};"))) as elf:
        assert OPENSSL.probe_points(elf) == []
        reason = why_unseen(elf)
    assert (f"carries {expected} " in reason) if expected else not reason


def test_a_short_load_at_the_end_of_the_code_has_no_index_byte_to_look_at() -> None:
    lea_rax_to_rdi = b"\x48\x8d\x38"
    assert stack_arguments(lea_rax_to_rdi, 0, 0) is None

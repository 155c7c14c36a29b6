"""OpenSSL 1 in files without symbols: the functions found are those that the symbols name."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.elf import Elf
from qtap.capture.openssl1_stripped import openssl1_points

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")

HEAD = """
#define PUT_ERROR(function) ERR_put_error(LIBRARY, function, 276, FILE_NAME, __LINE__)
extern void ERR_put_error(int library, int function, int reason, const char *file, int line);
struct s { int (**method)(void *s, const void *b, unsigned long n, unsigned long *count); };
#define FUNCTION(name, number) int name(struct s *s, const void *b, unsigned long n, unsigned long *count) { \\
  if (!s) { PUT_ERROR(number); return -1; } return s->method[number](s, b, n, count); }
FUNCTION(SSL_new, 186)
FUNCTION(SSL_read, 223)
FUNCTION(SSL_write, 208)
"""
SINCE_111 = HEAD + "FUNCTION(ssl_read_internal, 523)\nFUNCTION(ssl_write_internal, 524)\nFUNCTION(ssl_peek_internal, 522)\n"
EARLIER = {"SSL_read": "ssl_enter", "SSL_write": "ssl_enter", "SSL_new": ""}
INTERNAL = {
    "ssl_read_internal": "ssl_enter_4",
    "ssl_write_internal": "ssl_enter_4",
    "ssl_peek_internal": "ssl_enter_silent",
    "SSL_new": "",
}


def build(folder: Path, source: str, library: int = 20, name: str = "../ssl/ssl_lib.c") -> Path:
    file, code = folder / "library.so", folder / "library.c"
    code.write_text(source)
    macros = [f"-DLIBRARY={library}", f'-DFILE_NAME="{name}"']
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", *macros, "-o", file, code], check=True)
    return file


@pytest.mark.parametrize(("source", "expected"), [(HEAD, EARLIER), (SINCE_111, INTERNAL)], ids=["1.0", "1.1.1"])
def test_the_functions_are_told_by_their_numbers(tmp_path: Path, source: str, expected: dict[str, str]) -> None:
    with Elf(build(tmp_path, source)) as elf:
        points = openssl1_points(elf)
        addresses = {name: symbol.offset for name, symbol in elf.symbols([*expected]).items()}
    assert {point.symbol: point.enter for point in points} == expected
    # A probe may stand a few bytes into its function, past a comparison.
    assert all(point.offset - addresses[point.symbol] in range(12) for point in points)


@pytest.mark.parametrize(
    ("source", "library", "name"),
    [
        (HEAD + "FUNCTION(other, 208)\n", 20, "ssl/ssl_lib.c"),
        (HEAD, 9, "ssl/ssl_lib.c"),
        (HEAD, 20, "ssl/s3_lib.c"),
        (HEAD.replace("208", "209"), 20, "ssl/ssl_lib.c"),
    ],
    ids=["two with one number", "numbers of another library", "another source file", "no SSL_write"],
)
def test_what_is_not_sure_gives_nothing(tmp_path: Path, source: str, library: int, name: str) -> None:
    with Elf(build(tmp_path, source, library, name)) as elf:
        assert openssl1_points(elf) == []


def test_no_probe_is_set_in_a_part_that_was_moved_away(tmp_path: Path) -> None:
    file = build(tmp_path, HEAD.replace("extern void ERR_put_error", "__attribute__((cold)) extern void ERR_put_error"))
    assert "SSL_write.cold" in subprocess.run(["nm", file], capture_output=True, text=True, check=True).stdout
    with Elf(file) as elf:
        assert openssl1_points(elf) == []

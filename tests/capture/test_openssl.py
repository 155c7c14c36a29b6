"""Probe points of libssl: on this machine's against objdump, on libraries built here against their own symbols."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qtap.capture import openssl
from qtap.capture.elf import Elf, ElfError
from qtap.capture.openssl import OPENSSL
from qtap.capture.probe import ProbePoint
from qtap.capture.tls import library_of

SYSTEM = Path("/usr/lib/x86_64-linux-gnu/libssl.so.3")
Build = Callable[..., Path]
only_here = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")

TYPES = """
#define HIDDEN __attribute__((noinline, visibility("hidden")))
typedef int (*method)(void *, void *, unsigned long, unsigned long *);
struct ssl { int a; method call; };
extern void ERR_new(void);
HIDDEN int ssl_peek_internal(struct ssl *s, void *buf, unsigned long num, unsigned long *count) {
  int r = s->call(s, buf, num, count); ERR_new(); return r - s->a; }
"""
INTERNAL = """
HIDDEN int ssl_read_internal(struct ssl *s, void *buf, unsigned long num, unsigned long *count) {
  int r = s->call(s, buf, num, count); ERR_new(); return r + s->a + (int)(long)buf; }
HIDDEN int ssl_write_internal(struct ssl *s, void *buf, unsigned long num, FLAGS unsigned long *count) {
  int r = s->call(s, buf, num, count); ERR_new(); return r * s->a + (int)(long)buf; }
"""
INTERNAL_WITHOUT_PUSH = """
HIDDEN int ssl_read_internal(struct ssl *s, void *buf, unsigned long num, unsigned long *count);
HIDDEN int ssl_write_internal(struct ssl *s, void *buf, unsigned long num, unsigned long *count);
__asm__(".text; ssl_read_internal: sub $24, %rsp; call ERR_new@plt; add $24, %rsp; ret");
__asm__(".text; ssl_write_internal: sub $40, %rsp; call ERR_new@plt; add $40, %rsp; ret");
"""
PUBLIC = """
#define CALL(f, ...) unsigned long n; if (num < 0) { ERR_new(); return -1; } \\
  int r = f(s, b, num, __VA_ARGS__); return r > 0 ? (int)n : r;
#define EX(f, ...) int r = f(s, b, n, __VA_ARGS__); return r < 0 ? 0 : r;
int SSL_read(struct ssl *s, void *b, int num) { CALL(READ, &n) }
int SSL_peek(struct ssl *s, void *b, int num) { CALL(ssl_peek_internal, &n) }
int SSL_write(struct ssl *s, void *b, int num) { CALL(ssl_write_internal, NO_FLAGS &n) }
void SSL_free(struct ssl *s) { if (s) { ERR_new(); s->call(s, 0, 0, 0); ERR_new(); } }
int SSL_set_fd(struct ssl *s, int fd) { int r = s->call(s, 0, fd, 0); ERR_new(); return r + fd; }
"""
SINCE_111 = """
int SSL_read_ex(struct ssl *s, void *b, unsigned long n, unsigned long *c) { EX(ssl_read_internal, c) }
"""
BEFORE_33 = """
int SSL_write_ex(struct ssl *s, void *b, unsigned long n, unsigned long *c) { EX(ssl_write_internal, c) }
"""
SINCE_33 = """
int SSL_write_ex2(struct ssl *s, void *b, unsigned long n, unsigned long f, unsigned long *c) { EX(ssl_write_internal, f, c) }
int SSL_write_ex(struct ssl *s, void *b, unsigned long n, unsigned long *c) { return SSL_write_ex2(s, b, n, 0, c); }
"""


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def compile_library(*parts: str, internal: str = INTERNAL, options: tuple[str, ...] = (), **macros: str) -> Path:
        names = {"FLAGS": "", "NO_FLAGS": "", "READ": "ssl_read_internal"} | macros
        source = tmp_path / "libssl.c"
        source.write_text(TYPES + internal + PUBLIC + "".join(parts))
        library = tmp_path / "libssl.so.3"
        defines = [f"-D{name}={value}" for name, value in names.items()]
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", *options, *defines, "-o", library, source], check=True)
        return library

    return compile_library


def entry_of(library: Path, name: str) -> int:
    with Elf(library) as elf:
        return elf.symbols([name])[name].offset


def probe_points(library: Path) -> list[ProbePoint]:
    with Elf(library) as elf:
        return openssl.probe_points(elf)


def by_symbol(library: Path) -> dict[str, ProbePoint]:
    return {point.symbol: point for point in probe_points(library)}


@only_here
@pytest.mark.parametrize(("option", "skipped"), [("none", 0), ("full", 4)])
def test_the_internal_functions_are_found_and_probed_after_the_branch_mark(build: Build, option: str, skipped: int) -> None:
    library = build(SINCE_111, BEFORE_33, options=(f"-fcf-protection={option}",))
    points = by_symbol(library)
    for name in ("ssl_read_internal", "ssl_write_internal"):
        assert points[name].offset == entry_of(library, name) + skipped
        assert points[name].enter == "ssl_enter_4"
        assert points[name].leave == name.replace("_internal", "").replace("ssl_", "ssl_leave_")
        assert points[name].cheap
    assert not points["SSL_set_fd"].leave
    assert sorted(points) == ["SSL_free", "SSL_set_fd", "ssl_read_internal", "ssl_write_internal"]


@only_here
def test_since_3_3_the_count_of_a_write_comes_after_its_flags(build: Build) -> None:
    library = build(SINCE_111, SINCE_33, FLAGS="unsigned long flags,", NO_FLAGS="0,")
    points = by_symbol(library)
    assert points["ssl_write_internal"].offset == entry_of(library, "ssl_write_internal")
    assert [points[f"ssl_{name}_internal"].enter for name in ("read", "write")] == ["ssl_enter_4", "ssl_enter_5"]


@only_here
def test_disagreeing_functions_lead_back_to_the_public_ones(build: Build) -> None:
    library = build(SINCE_111, BEFORE_33, READ="ssl_peek_internal")
    points = {point.symbol: point for point in probe_points(library) if point.leave}
    assert sorted(points) == ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex"]
    assert [points[name].enter for name in sorted(points)] == ["ssl_enter", "ssl_enter_4", "ssl_enter", "ssl_enter_4"]
    assert points["SSL_read"].offset == entry_of(library, "SSL_read")


@only_here
def test_internal_functions_that_cost_as_much_are_not_worth_a_guess(build: Build) -> None:
    points = probe_points(build(SINCE_111, BEFORE_33, internal=INTERNAL_WITHOUT_PUSH))
    assert [point.symbol for point in points if point.leave] == ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex"]


@only_here
def test_a_public_function_that_moves_the_stack_first_is_known_to_be_dear(build: Build) -> None:
    points = {point.symbol: point for point in probe_points(build(READ="ssl_read_internal"))}
    assert not points["SSL_read"].cheap
    assert points["SSL_free"].cheap


@only_here
def test_a_library_before_1_1_1_has_two_functions(build: Build) -> None:
    points = by_symbol(build())
    assert sorted(points) == ["SSL_free", "SSL_read", "SSL_set_fd", "SSL_write"]
    assert points["SSL_read"].enter == "ssl_enter"


@only_here
def test_a_file_without_the_functions_has_no_points(tmp_path: Path) -> None:
    (tmp_path / "empty.c").write_text("int nothing;")
    subprocess.run(["gcc", "-shared", "-o", tmp_path / "libssl.so", tmp_path / "empty.c"], check=True)
    assert probe_points(tmp_path / "libssl.so") == []


def test_a_file_that_is_no_library_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "libssl.so").write_text("INPUT(-lssl)")
    with pytest.raises(ElfError, match="cut short"):
        probe_points(tmp_path / "libssl.so")


@pytest.mark.skipif(not SYSTEM.exists() or not shutil.which("objdump"), reason="needs libssl and objdump")
def test_this_machines_library_is_probed_where_objdump_sees_the_calls() -> None:
    points = by_symbol(SYSTEM)
    for name, functions in {
        "ssl_read_internal": ("SSL_read", "SSL_read_ex"),
        "ssl_write_internal": ("SSL_write", "SSL_write_ex"),
    }.items():
        for function in functions:
            assert points[name].offset - first_own_call(function) in (0, 3, 4, 7)


def first_own_call(function: str) -> int:
    """The file offset of what `function` of the system's library calls first, procedure linkage table aside."""
    with Elf(SYSTEM) as elf:
        start = elf.symbols([function])[function].address
        window = [f"--start-address={start}", f"--stop-address={start + 160}"]
        listing = subprocess.run(["objdump", "-d", *window, SYSTEM], capture_output=True, text=True, check=True).stdout
        calls = re.findall(r"call +([0-9a-f]+) <([^>]*)>", listing)
        return elf.offset_of(int(next(address for address, name in calls if "@plt" not in name), 16))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("libssl.so", True),
        ("libssl.so.3", True),
        ("libssl.so.1.1", True),
        ("libssl-3e69114b.so.1.1", True),
        ("libssl-dbe77c63.so.1.1.1g", True),
        ("libssl3.so", False),
        ("libssl.a", False),
        ("libssl.soy", False),
        ("mylibssl.so.3", False),
        ("libcrypto.so.3", False),
    ],
)
def test_names_of_the_library_are_told_from_others(name: str, known: bool) -> None:
    assert (library_of(name) is OPENSSL) is known

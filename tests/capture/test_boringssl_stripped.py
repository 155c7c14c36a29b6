"""BoringSSL in files without symbols: the functions found are those that the symbols name."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.boringssl_stripped import boringssl_points
from qtap.capture.elf import Elf
from qtap.capture.openssl import OPENSSL

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")

HEAD = """
#define FILE_NAME "third_party/boringssl/src/ssl/ssl_lib.cc"
#define OWN __attribute__((noinline))
#define PUT_ERROR(reason) ERR_put_error(16, 0, reason, FILE_NAME, __LINE__)
extern void ERR_put_error(int library, int unused, int reason, const char *file, unsigned line);
extern int shake(void *s), drop(void *);
extern void *memcpy(void *, const void *, unsigned long);
struct s { int (**method)(void *s, const void *b, int n); long pad[3]; char *data; long left; int quic, ready; };
"""
NORMAL = """
OWN int SSL_new(struct s *c) { if (!c) { PUT_ERROR(185); return 0; } return c->method[0](c, c, 0); }
OWN int ssl_read_impl(struct s *s) {
  if (!s->ready) { PUT_ERROR(226); return -1; }
  int r = shake(s); if (!r) { PUT_ERROR(215); return -1; } return r; }
#define PEEK(give) \\
  if (s->quic) { PUT_ERROR(66); return -1; } \\
  int r = ssl_read_impl(s); if (r <= 0) return r; \\
  if (n > s->left) n = s->left; memcpy(b, s->data, n); give return n;
int SSL_peek(struct s *s, void *b, int n) { PEEK() }
int SSL_read(struct s *s, void *b, int n) { PEEK(s->data += n; s->left -= n; if (!s->left) drop(s);) }
int SSL_write(struct s *s, const void *b, int n) {
  if (s->quic) { PUT_ERROR(66); return -1; }
  if (!s->ready) { PUT_ERROR(226); return -1; }
  int r = shake(s); if (!r) { PUT_ERROR(215); return -1; }
  if (n < 0) { PUT_ERROR(111); return -1; } return s->method[1](s, b, n); }
"""
SECOND_WRITER = NORMAL + "\nint other(struct s *s) { PUT_ERROR(66); PUT_ERROR(226); PUT_ERROR(215); return shake(s); }\n"
SECOND_READER = (
    NORMAL + "\nint other(struct s *s, int n) { if (s->quic) PUT_ERROR(66); s->data += n; return 1 + ssl_read_impl(s); }\n"
)
NO_READER = NORMAL.replace("s->data += n; s->left -= n;", "")
OTHER_FILE = '#undef FILE_NAME\n#define FILE_NAME "ssl/ssl_aead.cc"\n' + NORMAL
NAMES = ("SSL_read", "SSL_write", "SSL_new")


def build(folder: Path, source: str, *options: str) -> Path:
    file, code = folder / "library.so", folder / "library.c"
    code.write_text(HEAD + source)
    subprocess.run(["gcc", "-O2", "-w", "-fPIC", "-shared", "-fvisibility=hidden", *options, "-o", file, code], check=True)
    return file


def addresses(file: Path) -> dict[str, int]:
    with Elf(file) as elf:
        return {name: symbol.offset for name, symbol in elf.symbols(NAMES).items()}


def found_in(file: Path) -> dict[str, int]:
    with Elf(file) as elf:
        return {point.symbol: point.offset for point in boringssl_points(elf)}


@pytest.mark.parametrize("options", [(), ("-O3",), ("-fno-omit-frame-pointer",), ("-fcf-protection=full",)])
def test_the_functions_are_told_by_the_errors_that_they_report(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = build(tmp_path, NORMAL, *options)
    expected, found = addresses(file), found_in(file)
    # A probe may stand a few bytes into its function, past endbr64 and a comparison.
    assert {name: found[name] - at in range(12) for name, at in expected.items()} == dict.fromkeys(NAMES, True)


@pytest.mark.parametrize("source", [SECOND_WRITER, SECOND_READER, NO_READER, OTHER_FILE], ids=range(4))
def test_what_is_not_sure_gives_nothing(tmp_path: Path, source: str) -> None:
    assert found_in(build(tmp_path, source)) == {}


def test_the_extension_of_grpcio_which_has_no_symbols_is_probed() -> None:
    cygrpc = pytest.importorskip("grpc._cython.cygrpc")
    with Elf(cygrpc.__file__) as elf:
        assert elf.stripped
        points = [point.symbol for point in OPENSSL.probe_points(elf)]
        assert OPENSSL.absence(elf) or points  # one or the other is always said
    memory = ["BIO_s_mem:read", "BIO_s_mem:write", "BIO_s_bio:read", "BIO_s_bio:write"]
    assert points == [*NAMES, *memory]

"""What files are found to hold, and that it is looked up once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture import examine
from qtap.capture.elf import Elf
from qtap.capture.examine import Examiner, Finding
from qtap.capture.libraries import Library

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")

SOURCE = """
int SSL_read(void *s, void *b, int n) { return n; }
int SSL_write(void *s, void *b, int n) { return n; }
int main(void) { return 0; }
"""


def build(folder: Path, source: str = SOURCE, *options: str) -> Path:
    program = folder / "program"
    (folder / "program.c").write_text(source)
    subprocess.run(["gcc", "-O1", *options, "-o", program, folder / "program.c"], check=True)
    return program


def look(examiner: Examiner, file: Path, *, named: str = "") -> Finding:
    status = file.stat()
    library = Library(named or str(file), str(file), status.st_ino, status.st_size, "", executable=not named)
    with Elf(file) as elf:
        return examiner.examine(elf, library)


def symbols(finding: Finding) -> list[str]:
    return [point.symbol for points in finding.points.values() for point in points]


@pytest.mark.parametrize("options", [(), ("-rdynamic",), ("-shared", "-fPIC"), ("-static",)])
def test_a_program_or_object_that_has_the_functions_by_name_has_probes(tmp_path: Path, options: tuple[str, ...]) -> None:
    finding = look(Examiner(cache=tmp_path), build(tmp_path, SOURCE, *options))
    assert set(finding.points) == {"openssl"}
    assert sorted(symbols(finding)) == ["SSL_read", "SSL_write"]
    assert not finding.problem


def test_a_program_without_them_has_none_and_that_is_no_problem(tmp_path: Path) -> None:
    assert look(Examiner(cache=tmp_path), build(tmp_path, "int main(void) { return 0; }")) == Finding()


def test_a_library_that_was_not_chosen_gets_no_probes(tmp_path: Path) -> None:
    assert look(Examiner((), cache=tmp_path), build(tmp_path)) == Finding()


def test_a_libssl_without_the_functions_says_so(tmp_path: Path) -> None:
    library = build(tmp_path, "int one(void) { return 1; }", "-shared", "-fPIC")
    assert "lacks the functions" in look(Examiner(cache=tmp_path), library, named="/lib/libssl.so.3").problem


def test_what_took_long_is_kept_for_that_very_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_SLOW", 0.0)
    program, cache = build(tmp_path), tmp_path / "cache"
    first = Examiner(cache=cache)
    found = look(first, program)
    first.keep()
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(Examiner, "_look", lambda *_, **__: pytest.fail("it was looked into again"))
    assert look(Examiner(cache=cache), program) == found
    monkeypatch.undo()
    # The same content in another file may be a forgery in every other respect.
    other = Path(shutil.copy(program, tmp_path / "other"))
    monkeypatch.setattr(Examiner, "_look", lambda *_, **__: iter([Finding(problem="looked")]))
    assert look(Examiner(cache=cache), other).problem == "looked"


@pytest.mark.parametrize("content", [b"", b"{", b'{"1:2:3:4 True": 5}'])
def test_a_damaged_cache_is_ignored(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_SLOW", 0.0)
    program, cache = build(tmp_path), tmp_path / "cache"
    first = Examiner(cache=cache)
    found = look(first, program)
    first.keep()
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    assert look(Examiner(cache=cache), program) == found


def test_a_cache_that_others_could_have_written_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_SLOW", 0.0)
    program, cache = build(tmp_path), tmp_path / "cache"
    first = Examiner(cache=cache)
    look(first, program)
    first.keep()
    (kept,) = cache.iterdir()
    os.chmod(kept, 0o666)  # noqa: PTH101, S103
    monkeypatch.setattr(Examiner, "_look", lambda *_, **__: iter([Finding(problem="looked")]))
    assert look(Examiner(cache=cache), program).problem == "looked"


def test_what_was_not_asked_for_longest_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_SLOW", 0.0)
    monkeypatch.setattr(examine, "_KEPT", 2)
    program, cache = build(tmp_path), tmp_path / "cache"
    files = [Path(shutil.copy(program, tmp_path / name)) for name in "abc"]
    first = Examiner(cache=cache)
    for file in (files[0], files[1], files[0], files[2]):
        look(first, file)
    first.keep()
    monkeypatch.setattr(Examiner, "_look", lambda *_, **__: iter([Finding(problem="looked")]))
    assert [look(Examiner(cache=cache), file).problem for file in files] == ["", "looked", ""]

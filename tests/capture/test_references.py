"""Functions found by what they refer to, in damaged files and in ones made to cost much."""

from __future__ import annotations

import contextlib
import platform
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.bio import unnamed_bio_points
from qtap.capture.boringssl_stripped import boringssl_points
from qtap.capture.elf import Elf, ElfError
from qtap.capture.openssl1_stripped import openssl1_points
from qtap.capture.references import addresses_ending
from tests.capture import test_boringssl_stripped, test_openssl1_stripped
from tests.capture.test_bio import BORINGSSL, FUNCTIONS

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86-64")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = test_boringssl_stripped.NORMAL + FUNCTIONS + BORINGSSL
    return test_boringssl_stripped.build(tmp_path_factory.mktemp("whole"), source)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return test_openssl1_stripped.build(tmp_path_factory.mktemp("older"), test_openssl1_stripped.SINCE_111)


@given(data=st.data())
def test_damaged_files_raise_nothing_else(library: Path, older: Path, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from([library, older]))
    whole = bytearray(file.read_bytes())
    with Elf(file) as elf:
        tables = [section for section in elf.sections if section.name in {".eh_frame", ".rodata", ".data.rel.ro", ".rela.dyn"}]
    places = [st.integers(section.offset, section.offset + section.size - 1) for section in tables]
    for at in data.draw(st.lists(st.one_of(*places, st.integers(len(whole) - 2500, len(whole) - 1)), max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    damaged = file.with_name("damaged")
    damaged.write_bytes(whole)
    with contextlib.suppress(ElfError), Elf(damaged) as elf:
        for ask in (boringssl_points, openssl1_points, lambda elf: unnamed_bio_points(elf, twins=False)):
            with contextlib.suppress(ElfError):
                ask(elf)


def test_a_file_full_of_one_name_costs_no_more_memory_than_one_with_a_few(tmp_path: Path) -> None:
    names = '__asm__(".section .rodata\\n.rept 200000\\n.asciz \\"ssl_lib.cc\\"\\n.endr\\n.text");\n'
    with Elf(test_boringssl_stripped.build(tmp_path, names + test_boringssl_stripped.NORMAL)) as elf:
        assert len(addresses_ending(elf, b"ssl_lib.cc")) <= 64 * 256
        boringssl_points(elf)

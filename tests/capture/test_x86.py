"""The instruction decoder against objdump, and the search for cheap places against hand-written prologues."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.prologue import cheap_site, first_call
from qtap.capture.x86 import CodeError, decode

LIBRARIES = sorted(Path("/usr/lib").glob("x86_64-linux-gnu/libssl.so.3")) + sorted(
    Path("/usr/lib").glob("x86_64-linux-gnu/libz.so.1")
)
ENDBR64 = "f3 0f 1e fa"
PUSH_R14 = "41 56"
PUSH_RBP = "55"
SUB_RSP = "48 83 ec 18"
TEST_RDI = "48 85 ff"
JE = "74 10"


def code(*instructions: str) -> bytes:
    return bytes.fromhex("".join(instructions))


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("objdump"), reason="needs objdump for x86-64")
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda path: path.name)
def test_every_instruction_has_the_length_that_objdump_gives(library: Path) -> None:
    listing = subprocess.run(["objdump", "-d", "-w", "-j", ".text", library], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(.*)$", listing, re.MULTILINE)
    assert len(lines) > 5000
    for text, meaning in lines[:30_000]:
        raw = bytes.fromhex(text)
        if meaning.startswith(("v", "(bad)", "kmov", "kortest")):  # VEX and EVEX
            continue
        assert decode(raw + b"\xcc" * 8).length == len(raw), meaning


@pytest.mark.parametrize("text", ["c5 f8 77", "62 f1 7c 48 10 00", "06", "0f 04 00", "", "e8 00 00", "48", "66" * 15 + "90"])
def test_what_is_no_plain_instruction_is_refused(text: str) -> None:
    with pytest.raises(CodeError):
        decode(bytes.fromhex(text))


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes_give_an_answer(raw: bytes, returns: bool) -> None:
    with contextlib.suppress(CodeError):
        assert 1 <= decode(raw).length <= min(15, len(raw))
    site = cheap_site(raw, returns=returns)
    assert site is None or 0 <= site < len(raw)
    assert first_call(raw, 0x1000, lambda target: target > 0) is None or b"\xe8" in raw


@pytest.mark.parametrize(
    ("instructions", "site"),
    [
        ([PUSH_RBP], 0),
        ([PUSH_R14], 0),
        ([ENDBR64, PUSH_R14], 4),
        ([TEST_RDI, JE], 3),
        ([ENDBR64, TEST_RDI, "0f 84 00 01 00 00"], 7),
        (["8b 07", "3d 81 00 00 00", JE], 7),  # mov (%rdi),%eax; cmp $0x81,%eax
        (["31 c0", "90"], 2),
    ],
)
def test_both_probes_go_to_the_first_emulated_instruction(instructions: list[str], site: int) -> None:
    raw = code(*instructions, "c3")
    assert cheap_site(raw, returns=True) == site
    assert cheap_site(raw, returns=False) == site


@pytest.mark.parametrize(
    "instructions",
    [
        ["48 89 f7", PUSH_RBP],  # mov %rsi,%rdi: the handle is lost
        ["31 d2", PUSH_RBP],  # xor %edx,%edx
        ["41 b8 01 00 00 00", PUSH_RBP],  # mov $1,%r8d
        ["48 8b 3f", PUSH_RBP],  # mov (%rdi),%rdi
        ["48 89 37", PUSH_RBP],  # mov %rsi,(%rdi): memory
        ["c3", PUSH_RBP],
        ["c5 f8 77", PUSH_RBP],
        ["66 55"],  # push %bp
        ["f2 e9 00 00 00 00"],  # bnd jmp
        [ENDBR64],
    ],
)
def test_no_place_is_given_where_a_probe_would_see_something_else(instructions: list[str]) -> None:
    assert cheap_site(code(*instructions), returns=False) is None


def test_a_moved_stack_pointer_serves_probes_without_return_only() -> None:
    raw = code(ENDBR64, SUB_RSP, TEST_RDI, JE)
    assert cheap_site(raw, returns=False) == 11
    assert cheap_site(raw, returns=True) is None


def test_the_first_call_is_the_first_that_is_wanted() -> None:
    raw = code(SUB_RSP, "85 d2", "78 20", "e8 10 00 00 00", "e8 20 00 00 00", "c3", "e8 30 00 00 00")
    assert first_call(raw, 0x1000, lambda _: True) == 0x1000 + 13 + 0x10
    assert first_call(raw, 0x1000, lambda target: target > 0x1000 + 13 + 0x10) == 0x1000 + 18 + 0x20
    assert first_call(raw, 0x1000, lambda target: target > 0x1000 + 18 + 0x20) is None
    backwards = code("e8 fb fe ff ff")
    assert first_call(backwards, 0x1000, lambda _: True) == 0x1000 - 0x100

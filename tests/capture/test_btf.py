"""The BTF reader against a blob written by hand, damaged blobs, and the layouts that this kernel must have."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap.capture.btf import Btf, BtfError, offsets

KERNEL = Path("/sys/kernel/btf/vmlinux")
INT, PTR, STRUCT, UNION, TYPEDEF, CONST = 1, 2, 4, 5, 8, 10


class Blob:
    """Writes a .BTF section: `string` and `type` give what later types refer to."""

    def __init__(self) -> None:
        self.strings = b"\0"
        self.types = b""
        self.count = 0

    def string(self, text: str) -> int:
        """Write a string once, as the kernel's build does."""
        at = self.strings.find(b"\0" + text.encode() + b"\0")
        if not text or at >= 0:
            return at + 1 if text else 0
        self.strings += text.encode() + b"\0"
        return len(self.strings) - len(text) - 1

    def type(self, kind: int, name: str, size_or_type: int, tail: bytes = b"", items: int = 0, *, flag: bool = False) -> int:
        info = flag << 31 | kind << 24 | items
        self.types += struct.pack("<III", self.string(name), info, size_or_type) + tail
        self.count += 1
        return self.count

    def integer(self, name: str, size: int, bits: int = 0) -> int:
        return self.type(INT, name, size, struct.pack("<I", bits or size * 8))

    def composite(self, kind: int, name: str, members: list[tuple[str, int, int]], *, flag: bool = False) -> int:
        tail = b"".join(struct.pack("<III", self.string(member), of, bits) for member, of, bits in members)
        return self.type(kind, name, 64, tail, len(members), flag=flag)

    def bytes(self) -> bytes:
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


def sample() -> bytes:
    blob = Blob()
    word = blob.integer("int", 4)
    inner = blob.composite(STRUCT, "", [("low", word, 0), ("high", word, 32)])
    either = blob.composite(UNION, "", [("whole", word, 0), ("", inner, 0)])
    constant = blob.type(CONST, "", blob.type(TYPEDEF, "either_t", either))
    named = blob.composite(STRUCT, "named", [("first", word, 0), ("", constant, 64)])
    blob.composite(STRUCT, "outer", [("head", word, 0), ("part", named, 128), ("next", blob.type(PTR, "", named), 512)])
    blob.composite(STRUCT, "flags", [("plain", word, 32), ("two", word, 2 << 24 | 64)], flag=True)
    narrow = blob.integer("int", 4, 3)
    blob.composite(STRUCT, "old_flags", [("three", narrow, 8)])
    for bits in (0, 32):
        blob.composite(STRUCT, "twice", [("same", word, 96), ("moved", word, bits)])
    return blob.bytes()


@pytest.mark.parametrize(
    ("name", "member", "offset"),
    [
        ("named", "first", 0),
        ("named", "whole", 8),
        ("named", "high", 12),
        ("outer", "part", 16),
        ("outer", "part.low", 24),
        ("outer", "part.high", 28),
        ("outer", "next", 64),
        ("flags", "plain", 4),
        ("twice", "same", 12),
    ],
)
def test_members_are_found_through_names_typedefs_and_anonymous_parts(name: str, member: str, offset: int) -> None:
    assert Btf(sample()).offset_of(name, member) == offset


@pytest.mark.parametrize(
    ("name", "member", "words"),
    [
        ("nothing", "at_all", "no struct nothing"),
        ("", "first", "no struct"),
        ("outer", "tail", "struct outer of this kernel does not contain tail"),
        ("outer", "next.first", "does not contain next.first"),
        ("outer", "head.first", "does not contain head.first"),
        ("outer", "", "does not contain"),
        ("flags", "two", "keeps two in a bit field"),
        ("old_flags", "three", "keeps three in a bit field"),
        ("twice", "moved", "place moved differently"),
    ],
)
def test_what_has_no_one_offset_is_refused_in_a_sentence(name: str, member: str, words: str) -> None:
    with pytest.raises(BtfError, match=words):
        Btf(sample()).offset_of(name, member)


def test_a_structure_that_contains_itself_ends() -> None:
    blob = Blob()
    blob.composite(STRUCT, "snake", [("", 1, 0)])
    blob.type(TYPEDEF, "loop_t", 2)
    blob.composite(STRUCT, "loop", [("x", 2, 0)])
    blob.string("missing")
    btf = Btf(blob.bytes())
    with pytest.raises(BtfError, match="does not contain missing"):
        btf.offset_of("snake", "missing")
    with pytest.raises(BtfError, match="refers to itself"):
        btf.offset_of("loop", "x.missing")


@given(st.integers(0, len(sample()) - 1))
def test_a_blob_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(BtfError):
        Btf(sample()[:size])


@given(st.lists(st.tuples(st.integers(0, len(sample()) - 1), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_raise_nothing_else(changes: list[tuple[int, int]]) -> None:
    blob = bytearray(sample())
    for at, value in changes:
        blob[at] = value
    with contextlib.suppress(BtfError):
        assert Btf(bytes(blob)).offset_of("outer", "part.high") >= 0


def test_a_kernel_without_btf_is_named(tmp_path: Path) -> None:
    with pytest.raises(BtfError, match="CONFIG_DEBUG_INFO_BTF"):
        offsets(tmp_path / "vmlinux", [])


@pytest.mark.skipif(not KERNEL.exists(), reason="this kernel offers no BTF")
def test_this_kernel_has_the_layouts_that_its_binary_interface_fixes() -> None:
    fixed = {
        ("sockaddr_in", "sin_port"): 2,
        ("sockaddr_in", "sin_addr.s_addr"): 4,
        ("sockaddr_in6", "sin6_addr.in6_u.u6_addr32"): 8,
        ("iovec", "iov_len"): 8,
        ("iphdr", "daddr"): 16,
        ("tcphdr", "dest"): 2,
        ("ethhdr", "h_proto"): 12,
        ("sock", "__sk_common.skc_daddr"): 0,
        ("sock", "__sk_common.skc_rcv_saddr"): 4,
        ("sock", "__sk_common.skc_dport"): 12,
    }
    assert offsets(KERNEL, list(fixed)) == fixed
    with pytest.raises(BtfError, match="bit field"):
        offsets(KERNEL, [("tcphdr", "syn")])

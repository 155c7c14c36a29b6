"""Offsets of kernel structure members from BTF, the kernel's own type information (Documentation/bpf/btf.rst).

A BPF program that reads `sock->sk_common.skc_dport` without kernel headers needs one number, and /sys/kernel/btf/vmlinux
holds it for the running kernel. Only type kinds are walked and only wanted names are compared, so that the 126 000 types
(5.5 MB) of a 6.18 kernel take 0.04 s.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_INT, _STRUCT, _UNION, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG = 1, 4, 5, 8, 9, 10, 11, 18
_MODIFIERS = frozenset({_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG})
# What follows the three words of a type of each kind, in words: (always, for each of `vlen` items).
_TAILS = {
    _INT: (1, 0),
    2: (0, 0),  # pointer
    3: (3, 0),  # array
    _STRUCT: (0, 3),
    _UNION: (0, 3),
    6: (0, 2),  # enum
    7: (0, 0),  # forward declaration
    _TYPEDEF: (0, 0),
    _VOLATILE: (0, 0),
    _CONST: (0, 0),
    _RESTRICT: (0, 0),
    12: (0, 0),  # function
    13: (0, 2),  # function prototype
    14: (1, 0),  # variable
    15: (0, 3),  # data section
    16: (0, 0),  # float
    17: (1, 0),  # declaration tag
    _TYPE_TAG: (0, 0),
    19: (0, 3),  # 64-bit enum
}
_DEPTH = 64
"""Types nested deeper than this are a loop; the deepest chain of a 6.18 kernel has 7."""


class BtfError(ValueError):
    """The BTF cannot be read or does not answer; the text is one sentence for the user."""


class Btf:
    """The types of one kernel."""

    def __init__(self, blob: bytes) -> None:
        """Index `blob`, a whole little-endian .BTF section; raises BtfError where it is damaged."""
        if len(blob) < _HEADER.size:
            raise BtfError(f"the kernel's BTF is {len(blob)} bytes long, too short for a header")
        magic, _, _, header, type_at, type_size, string_at, string_size = _HEADER.unpack_from(blob)
        if magic != _MAGIC:
            raise BtfError(f"the kernel's BTF begins with {magic:#06x} instead of {_MAGIC:#06x}")
        types = blob[header + type_at : header + type_at + type_size]
        self._strings = blob[header + string_at : header + string_at + string_size]
        if len(types) != type_size or len(self._strings) != string_size or type_size % 4:
            raise BtfError("the kernel's BTF is cut short")
        self._words = array("I", types)
        self._starts, self._composites = _index(self._words)

    @classmethod
    def load(cls, path: str | Path = "/sys/kernel/btf/vmlinux") -> Btf:
        """Read the BTF of the running kernel, or a file of the same form; raises BtfError."""
        try:
            blob = Path(path).read_bytes()
        except FileNotFoundError:
            raise BtfError(
                f"this kernel offers no BTF ({path} is missing); it was built without CONFIG_DEBUG_INFO_BTF"
            ) from None
        except OSError as error:
            raise BtfError(f"the kernel's BTF cannot be read: {path}: {error.strerror}") from None
        return cls(blob)

    def offset_of(self, name: str, member: str) -> int:
        """Give the byte offset of `member` (dotted, through anonymous parts) in `struct name` or `union name`.

        Raises BtfError for a name that is not there, a pointer on the way, a bit field, and a structure that has several
        layouts which disagree.
        """
        answers: set[int] = set()
        refusal = BtfError(f"the kernel's BTF has no struct {name}")
        for index in self._composites.get(self._string_offset(name), ()):
            try:
                answers.add(self._resolve(index, name, member))
            except BtfError as error:
                refusal = error
        if not answers:
            raise refusal
        if len(answers) > 1:
            raise BtfError(f"the kernel's BTF has several structs {name}, and they place {member} differently")
        return answers.pop()

    def _string_offset(self, name: str) -> int:
        at = self._strings.find(b"\0" + name.encode() + b"\0")
        return at + 1 if name and at >= 0 else 0

    def _resolve(self, index: int, name: str, member: str) -> int:
        bits = 0
        for part in member.split("."):
            found = self._find(self._skip_modifiers(index), self._string_offset(part), 0)
            if found is None:
                raise BtfError(f"struct {name} of this kernel does not contain {member}")
            step, index, bitfield = found
            if bitfield or step % 8:
                raise BtfError(f"struct {name} of this kernel keeps {member} in a bit field, which has no address")
            bits += step
        return bits // 8

    def _find(self, index: int, wanted: int, depth: int) -> tuple[int, int, bool] | None:
        """Give (bit offset, type id, is a bit field) of the member whose name is at `wanted`, looking into anonymous parts."""
        if depth > _DEPTH or not wanted:
            return None
        for name, kind, bits, bitfield in self._members(index):
            if name == wanted:
                return bits, kind, bitfield or self._is_narrow(kind)
            if not name:
                inner = self._find(self._skip_modifiers(kind), wanted, depth + 1)
                if inner:
                    return bits + inner[0], inner[1], inner[2]
        return None

    def _members(self, index: int) -> Iterator[tuple[int, int, int, bool]]:
        """Give (name, type id, bit offset, is a bit field) of each member; nothing for other kinds than struct and union."""
        words = self._words
        at = self._start(index) if index else 0
        info = words[at + 1] if index else 0
        if info >> 24 & 0x1F not in (_STRUCT, _UNION):
            return
        flagged = info >> 31
        for member in range(at + 3, at + 3 + 3 * (info & 0xFFFF), 3):
            offset = words[member + 2]
            if flagged:
                yield words[member], words[member + 1], offset & 0xFFFFFF, offset >> 24 != 0
            else:
                yield words[member], words[member + 1], offset, False

    def _skip_modifiers(self, index: int) -> int:
        """Give the type behind typedefs and qualifiers; 0 is void."""
        for _ in range(_DEPTH):
            if not index:
                return 0
            at = self._start(index)
            if self._words[at + 1] >> 24 & 0x1F not in _MODIFIERS:
                return index
            index = self._words[at + 2]
        raise BtfError(f"type {index} of the kernel's BTF refers to itself")

    def _is_narrow(self, index: int) -> bool:
        """Tell whether a type is an integer of fewer bits than its bytes hold: how BTF wrote bit fields before kind flags."""
        index = self._skip_modifiers(index)
        if not index:
            return False
        at = self._start(index)
        words = self._words
        return words[at + 1] >> 24 & 0x1F == _INT and words[at + 3] & 0xFF != 8 * words[at + 2]

    def _start(self, index: int) -> int:
        """Give where type `index` (1 or more) begins, in words."""
        if index > len(self._starts):
            raise BtfError(f"the kernel's BTF refers to type {index}, beyond its {len(self._starts)} types")
        return self._starts[index - 1]


def _index(words: array[int]) -> tuple[array[int], dict[int, list[int]]]:
    """Give where each type begins, in words, and the ids of structs and unions by name; ids count from 1."""
    starts = array("I")
    composites: dict[int, list[int]] = {}
    tails = [_TAILS.get(kind) for kind in range(32)]
    at, end = 0, len(words)
    while at < end:
        starts.append(at)
        info = words[at + 1] if at + 2 < end else 0
        kind = info >> 24 & 0x1F
        tail = tails[kind]
        if tail is None:
            raise BtfError(f"type {len(starts)} of the kernel's BTF is of kind {kind}, which is not known")
        if kind in (_STRUCT, _UNION) and words[at]:
            composites.setdefault(words[at], []).append(len(starts))
        at += 3 + tail[0] + tail[1] * (info & 0xFFFF)
    if at != end:
        raise BtfError(f"type {len(starts)} of the kernel's BTF is cut short")
    return starts, composites


def offsets(path: str | Path, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Give the byte offset of each (struct, member) pair of `wanted`; raises BtfError for the first that has none."""
    btf = Btf.load(path)
    return {pair: btf.offset_of(*pair) for pair in wanted}

"""What a file holds of TLS libraries, and why its plaintext is not seen where it is not.

What took long to find out is kept on disk. The key is the file itself (device, inode, time of change, size) and not its build
id, which any file can claim: offsets of another file would break the program that they are set in.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from qtap.capture.elf import Elf, ElfError
from qtap.capture.go import GO
from qtap.capture.kept import keep, read_kept
from qtap.capture.libraries import Library
from qtap.capture.probe import ProbePoint, TlsLibrary
from qtap.capture.tls import NAMES, TLS_LIBRARIES, library_of

CACHE = Path("/var/cache/qtap-tui")
_SLOW = 0.003
"""Seconds from which on a result is worth keeping."""
_KEPT = 4096
"""Results; the one that was not asked for longest goes first."""


class Finding(msgspec.Struct, frozen=True):
    """What one file holds."""

    points: dict[str, list[ProbePoint]] = {}
    """By the name of the TLS library."""
    problem: str = ""
    """Why its plaintext is not seen, or not all of it; one sentence."""


class Examiner:
    """Looks into files for the TLS libraries called `chosen`; `keep` writes down what took long."""

    def __init__(self, chosen: Collection[str] = NAMES, cache: Path = CACHE) -> None:
        # Go's first: its programs are often new, make a request at once, and are told soonest.
        self._libraries = sorted((one for one in TLS_LIBRARIES if one.name in chosen), key=lambda one: one is not GO)
        self._folder = cache
        self._name = f"probes-{_code_id(chosen)}.json"
        self._known = _decode(read_kept(cache / self._name))
        self._is_new = False

    def examine(self, elf: Elf, library: Library) -> Finding:
        """Say what the open file of `library` holds. Raises ElfError."""
        return joined(self.look(elf, library))

    def look(self, elf: Elf, library: Library, *, only_go: bool = False) -> Iterator[Finding]:
        """Give what the open file of `library` holds part by part, as soon as each is found. Raises ElfError."""
        key = f"{elf.identity} {'go' if only_go else library.executable}"
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            yield known
            return
        found: list[Finding] = []
        took = 0.0
        parts = self._look(elf, library, only_go=only_go)
        while True:
            began = time.monotonic()
            part = next(parts, None)
            took += time.monotonic() - began
            if part is None:
                break
            found.append(part)
            yield part
        if took > _SLOW:
            self._known[key] = joined(found)
            self._is_new = True
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def keep(self) -> None:
        """Write down what is new and took long."""
        if self._is_new:
            keep(self._folder, self._name, msgspec.json.encode(self._known))
            self._is_new = False

    def _look(self, elf: Elf, library: Library, *, only_go: bool) -> Iterator[Finding]:
        if not library.executable:
            named = library_of(os.path.basename(library.name))  # noqa: PTH119  a name of another namespace
            points = named.probe_points(elf) if named in self._libraries and named else []
            missing = named in self._libraries and not points
            problem = "it lacks the functions that carry plaintext" if missing else ""
            yield Finding({named.name: points} if named and points else {}, problem)
            return
        for candidate in self._libraries:
            if candidate.in_executables and (candidate is GO or not only_go):
                points, problem = _carried(elf, candidate)
                yield Finding({candidate.name: points} if points else {}, problem)


def joined(parts: Iterable[Finding]) -> Finding:
    """Make one of what a file's parts hold."""
    points: dict[str, list[ProbePoint]] = {}
    problems: list[str] = []
    for part in parts:
        points |= part.points
        problems += [part.problem] if part.problem else []
    return Finding(points, "; ".join(dict.fromkeys(problems)))


def _carried(elf: Elf, library: TlsLibrary) -> tuple[list[ProbePoint], str]:
    """Give the probe points of a library within a program, and why there are none though it is there.

    A library whose form is damaged must not hide the others.
    """
    try:
        points = library.probe_points(elf)
        return points, "" if points else library.absence(elf)
    except ElfError as error:
        return [], str(error)


def _decode(kept: bytes | None) -> OrderedDict[str, Finding]:
    try:
        return OrderedDict(msgspec.json.decode(kept, type=dict[str, Finding]) if kept else {})
    except msgspec.MsgspecError:
        return OrderedDict()


def _code_id(chosen: Collection[str]) -> str:
    """Change with whatever decides on the result: this package's code."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    code = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(repr(sorted(chosen)).encode() + code).hexdigest()[:16]

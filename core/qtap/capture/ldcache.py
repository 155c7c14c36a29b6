"""The shared libraries that the dynamic linker would find: glibc's cache and the usual folders.

/etc/ld.so.cache: struct cache_file_new and file_entry_new of glibc's sysdeps/generic/dl-cache.h; before glibc 2.33 the same
stands behind a table of the older form.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sII20x")
_ENTRY = struct.Struct("<iIIIQ")
FOLDERS = (
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
)
"""Where systems without the cache keep libraries: musl's have none."""


def library_paths(cache: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Give each path whose base name is `wanted`, the linker's first; a cache that cannot be read adds nothing."""
    try:
        known = cached_paths(cache.read_bytes())
    except OSError:
        known = []
    found = [path for path in known if wanted(path.rpartition("/")[2])]
    found += [path for path in _listed() if wanted(path.rpartition("/")[2])]
    return list(dict.fromkeys(found))


def cached_paths(blob: bytes) -> list[str]:
    """Give every path in a cache file; one that is damaged gives what can still be read."""
    start = blob.find(_MAGIC)
    if start < 0 or start + _HEADER.size > len(blob):
        return []
    _, count, _ = _HEADER.unpack_from(blob, start)
    first = start + _HEADER.size
    count = min(count, (len(blob) - first) // _ENTRY.size)
    return [_text(blob, start + entry[2]) for entry in _ENTRY.iter_unpack(blob[first : first + count * _ENTRY.size])]


def _text(blob: bytes, at: int) -> str:
    end = blob.find(b"\0", at)
    return blob[at : end if end >= 0 else at].decode("utf-8", "surrogateescape")


def _listed() -> Iterator[str]:
    for folder in FOLDERS:
        try:
            yield from (str(path) for path in Path(folder).iterdir() if ".so" in path.name)
        except OSError:
            continue

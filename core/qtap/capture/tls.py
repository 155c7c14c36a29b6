"""The TLS libraries that have probes: one file and one line here for each."""

from __future__ import annotations

from qtap.capture.bio import LIBCRYPTO
from qtap.capture.elf import Elf
from qtap.capture.openssl import OPENSSL
from qtap.capture.probe import ProbePoint, TlsLibrary

TLS_LIBRARIES: tuple[TlsLibrary, ...] = (OPENSSL, LIBCRYPTO)
MARKERS = tuple(library.marker for library in TLS_LIBRARIES if library.marker)
"""One of them is in the path of every shared library that `library_of` knows."""


def library_of(basename: str) -> TlsLibrary | None:
    """Give the library to which a file called `basename` belongs."""
    return next((library for library in TLS_LIBRARIES if library.matches(basename)), None)


def probe_points(elf: Elf, basename: str) -> list[ProbePoint]:
    """Give the probe points of the shared library called `basename`; raises ElfError."""
    library = library_of(basename)
    return library.probe_points(elf) if library else []


def executable_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of every library that an executable carries in its own file; raises ElfError."""
    return [point for library in TLS_LIBRARIES if library.in_executables for point in library.probe_points(elf)]

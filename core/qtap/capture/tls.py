"""The TLS libraries that have probes: one file and one line here for each."""

from __future__ import annotations

from qtap.capture.bio import LIBCRYPTO
from qtap.capture.gnutls import GNUTLS
from qtap.capture.go import GO
from qtap.capture.nss import NSS
from qtap.capture.openssl import LIBNODE, OPENSSL
from qtap.capture.probe import TlsLibrary
from qtap.capture.rustls import RUSTLS

TLS_LIBRARIES: tuple[TlsLibrary, ...] = (OPENSSL, LIBCRYPTO, LIBNODE, GNUTLS, NSS, GO, RUSTLS)
NAMES = tuple(dict.fromkeys(library.name for library in TLS_LIBRARIES))
"""What `--tls-probes` takes."""


def library_of(basename: str) -> TlsLibrary | None:
    """Give the library to which a file called `basename` belongs."""
    return next((library for library in TLS_LIBRARIES if library.matches(basename)), None)

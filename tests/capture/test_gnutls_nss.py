"""Probe points of GnuTLS and NSS: on this machine's libraries against what objdump says of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qtap.capture.elf import Elf
from qtap.capture.gnutls import GNUTLS
from qtap.capture.nss import NSS
from qtap.capture.probe import ProbePoint, TlsLibrary
from qtap.capture.tls import library_of

FOLDER = Path("/usr/lib/x86_64-linux-gnu")
GNUTLS_FILE, NSS_FILE = FOLDER / "libgnutls.so.30", FOLDER / "libssl3.so"
Points = Callable[[Path], dict[str, ProbePoint]]


def points_of(library: TlsLibrary, path: Path) -> dict[str, ProbePoint]:
    with Elf(path) as elf:
        return {point.symbol: point for point in library.probe_points(elf)}


def jumps_from(path: Path, start: int, size: int) -> set[int]:
    """Give where objdump sees the code jump to."""
    window = [f"--start-address={start}", f"--stop-address={start + size}"]
    listing = subprocess.run(["objdump", "-d", *window, path], capture_output=True, text=True, check=True).stdout
    return {int(address, 16) for address in re.findall(r"jmp +([0-9a-f]+)", listing)}


def test_the_receiving_functions_of_gnutls_share_one_that_is_cheap_to_probe() -> None:
    points = points_of(GNUTLS, GNUTLS_FILE)
    with Elf(GNUTLS_FILE) as elf:
        shared = None
        for symbol in elf.symbols(["gnutls_record_recv", "gnutls_record_recv_seq"]).values():
            ends = {
                a for a in jumps_from(GNUTLS_FILE, symbol.address, symbol.size) if not 0 <= a - symbol.address < symbol.size
            }
            shared = ends if shared is None else shared & ends
        assert {elf.offset_of(address) for address in shared or ()} == {points["_gnutls_recv_int"].offset}
    assert points["_gnutls_recv_int"].cheap
    assert points["gnutls_record_send2"].cheap
    assert "gnutls_record_send" not in points


def test_of_the_two_tables_of_nss_the_one_with_tls_is_taken() -> None:
    points = points_of(NSS, NSS_FILE)
    assert sorted(points) == ["ssl_SecureClose", "ssl_SecureRecv", "ssl_SecureSend"]
    listing = subprocess.run(["objdump", "-d", NSS_FILE], capture_output=True, text=True, check=True).stdout
    for name in ("ssl_SecureRecv", "ssl_SecureSend"):
        assert points[name].cheap
        # Reading and writing are receiving and sending with no flags.
        assert re.search(rf"xor +%ecx,%ecx\n.*jmp +{points[name].offset:x} ", listing)


def test_a_file_of_another_library_has_no_points() -> None:
    assert points_of(NSS, GNUTLS_FILE) == {}
    assert points_of(GNUTLS, NSS_FILE) == {}


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("libgnutls.so.30", GNUTLS),
        ("libgnutls.so.30.34.3", GNUTLS),
        ("libgnutls-2ed3bd7b.so.30.37.1", GNUTLS),
        ("libgnutls-dane.so.0", None),
        ("libgnutls-openssl.so.27", None),
        ("libgnutlsxx.so.30", None),
        ("libssl3.so", NSS),
    ],
)
def test_names_of_the_libraries_are_told_from_others(name: str, library: TlsLibrary | None) -> None:
    assert library_of(name) is library

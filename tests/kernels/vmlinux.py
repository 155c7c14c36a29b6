"""What programs for a kernel are compiled from, read from its image: so that this host compiles them, and no guest must.

Compiling takes 2 seconds here and two minutes under emulation. The image is a bzImage (Documentation/arch/x86/boot.rst of
Linux): a compressed vmlinux, whose sections hold what a running kernel shows in /sys/kernel/btf/vmlinux and /sys/kernel/notes.
"""

from __future__ import annotations

import lzma
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zstandard

from qtap.capture.compiler import Target, compiled
from qtap.capture.elf import Elf
from tests.kernels.packages import Kernel, PackageError

_SETUP_SECTS, _VERSION, _PAYLOAD = 0x1F1, 0x20E, 0x248
"""setup_sects; kernel_version, which counts from 0x200; payload_offset and payload_length."""
_XZ, _ZSTD = b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


def programs(kernel: Kernel) -> Path:
    """Give the folder that holds the programs compiled for a kernel, which is compiled into now if need be.

    Raises PackageError and CompileError.
    """
    folder = kernel.folder / "programs"
    with _target(kernel) as target:
        compiled(folder, target)
    return folder


@contextmanager
def _target(kernel: Kernel) -> Iterator[Target]:
    image = kernel.image.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        vmlinux, types = Path(name, "vmlinux"), Path(name, "types")
        vmlinux.write_bytes(_unpacked(image))
        with Elf(vmlinux) as elf:
            sections = {section.name: section for section in elf.sections}
            notes, btf = (elf.read(section.offset, section.size) for section in (sections[".notes"], sections[".BTF"]))
        types.write_bytes(btf)
        yield Target(kernel.release, _version(image), notes, types)


def _version(image: bytes) -> str:
    """Give what follows the release and its builder in "6.1.0 (builder) #1 SMP"."""
    (at,) = struct.unpack_from("<H", image, _VERSION)
    return image[0x200 + at :].partition(b"\0")[0].decode().partition(") ")[2]


def _unpacked(image: bytes) -> bytes:
    at, size = struct.unpack_from("<II", image, _PAYLOAD)
    at += (image[_SETUP_SECTS] + 1) * 512
    payload = image[at : at + size]
    if payload.startswith(_XZ):
        return lzma.LZMADecompressor().decompress(payload)  # the size of the whole follows
    if payload.startswith(_ZSTD):
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    raise PackageError(f"the kernel's image is compressed in an unknown way: it begins with {payload[:6].hex()}")

"""The first files of a guest: busybox, the modules that reach the host's files, and `init`, as a cpio archive.

The format is "newc" (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).
"""

from __future__ import annotations

import lzma
import shutil
import stat
from pathlib import Path

from tests.kernels.packages import Kernel, PackageError

_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_INIT = Path(__file__).with_name("init")
_FOLDERS = ("bin", "dev", "lower", "modules", "proc", "root", "upper")


def initramfs(kernel: Kernel, command: str) -> bytes:
    """Make the archive; `command` is a shell script that the guest runs in the host's files. Raises PackageError."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise PackageError("busybox is not installed")
    entries = [(folder, stat.S_IFDIR | 0o755, b"") for folder in _FOLDERS]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes()))
    entries.append(("init", stat.S_IFREG | 0o755, _INIT.read_bytes()))
    entries.append(("command", stat.S_IFREG | 0o755, command.encode()))
    for number, module in enumerate(modules(kernel)):
        entries.append((f"modules/{number:02}.ko", stat.S_IFREG | 0o644, _uncompressed(module)))
    return archive(entries)


def modules(kernel: Kernel) -> list[Path]:
    """Give the files of the modules, each behind those that it needs."""
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        file, _, others = line.partition(":")
        needs[file.strip()] = others.split()
    by_name = {Path(file).name.split(".")[0].replace("-", "_"): file for file in needs}
    order: dict[str, None] = {}

    def add(file: str) -> None:
        for other in needs[file]:
            add(other)
        order.setdefault(file)

    for name in _MODULES:
        if name in by_name:  # else it is part of the kernel itself
            add(by_name[name])
    return [kernel.modules / file for file in order]


def _uncompressed(module: Path) -> bytes:
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content


def archive(entries: list[tuple[str, int, bytes]]) -> bytes:
    """Give a cpio archive of files: name, mode and content of each."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)

"""Files of libssl that are a test's own."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

FILES = ("libssl.so.3", "libcrypto.so.3")


@cache
def library_folder() -> Path:
    """Say where the linker finds the libssl of curl."""
    curl = shutil.which("curl") or "curl"
    (libcurl,) = (line.split()[2] for line in _needed(curl) if "libcurl" in line)
    (libssl,) = (line.split()[2] for line in _needed(libcurl) if "libssl" in line)
    return Path(libssl).parent


def _needed(file: str) -> list[str]:
    return subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout.splitlines()


def copy_library(folder: Path) -> Path:
    """Put a libssl into `folder` that is a file of its own, by renaming, as upgrades do."""
    folder.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copy(library_folder() / name, folder / "new")
        (folder / "new").rename(folder / name)
    return folder

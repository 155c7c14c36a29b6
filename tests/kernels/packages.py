"""Debian's kernel packages: found by apt in the index of a release's security updates, kept in a folder, never installed.

Those indices are small (0.3 s) and hold the newest build of each release's kernel, which the metapackage linux-image-amd64
names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

RELEASES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
"""Kernel versions and the Debian releases that they belong to."""
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_META = "linux-image-amd64"
_NEWER_AFTER = 7 * 86400
"""Seconds until a newer build is looked for."""


class PackageError(Exception):
    """A kernel cannot be had; the text is one sentence."""


class Kernel(msgspec.Struct, frozen=True):
    """One unpacked kernel package."""

    release: str
    """As `uname -r` has it."""
    folder: Path
    """Holds the package's files."""

    @property
    def image(self) -> Path:
        return self.folder / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        usr = self.folder / "usr"  # since Debian 13
        return (usr if (usr / "lib").is_dir() else self.folder) / "lib" / "modules" / self.release


def cache_folder() -> Path:
    """Where kernels are kept: 0.5 GB for each."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qtap-tui" / "kernels"


def kernel(version: str) -> Kernel:
    """Give the newest build of a version in RELEASES, downloaded when there is none or another one; raises PackageError."""
    folder = cache_folder() / version
    kept = _kept(folder)
    if kept and time.time() - folder.stat().st_mtime < _NEWER_AFTER:
        return kept
    try:
        found = _newest(version, folder, kept)
    except PackageError as error:
        if not kept:
            raise
        print(f"qtap-tui: no newer build looked for: {error}", flush=True)
        return kept
    os.utime(folder)
    return found


def _kept(folder: Path) -> Kernel | None:
    images = sorted(folder.glob("*/boot/vmlinuz-*"))
    return Kernel(images[-1].name.removeprefix("vmlinuz-"), images[-1].parents[1]) if images else None


def _newest(version: str, folder: Path, kept: Kernel | None) -> Kernel:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="apt-") as temporary:
        apt = _Apt(Path(temporary), RELEASES[version])
        name = apt.newest()
        target = folder / name
        if kept and kept.folder == target:
            return kept
        print(f"qtap-tui: downloading {name} into {folder}", flush=True)
        apt.download(name)
        (package,) = Path(temporary).glob("*.deb")
        unpacked = Path(temporary) / "unpacked"
        _run("unpack the package", "dpkg-deb", "--extract", package, unpacked)
        release = name.removeprefix("linux-image-")
        found = Kernel(release, unpacked)
        _run("list the modules", "busybox", "depmod", "-b", found.modules.parents[2], release)
        if kept:
            shutil.rmtree(kept.folder)
        unpacked.rename(target)
    return Kernel(release, target)


class _Apt:
    """apt with a source and a state of its own, which knows nothing of what this host has installed."""

    def __init__(self, folder: Path, suite: str) -> None:
        self._folder = folder
        self._suite = suite
        source = f"deb [arch=amd64 signed-by={_KEYS}] http://deb.debian.org/debian-security {suite}-security main\n"
        (folder / "sources.list").write_text(source)
        (folder / "status").touch()
        for needed in ("lists/partial", "archives/partial"):
            (folder / needed).mkdir(parents=True)
        settings = {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",  # others may not read a folder of root's
            "Acquire::Languages": "none",
        }
        self._options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]

    def newest(self) -> str:
        """Give the name of the newest kernel package."""
        what = f"read the index of {self._suite}-security"
        _run(what, "apt-get", *self._options, "-qq", "--error-on=any", "update")
        shown = _run(what, "apt-cache", *self._options, "show", _META)
        names: list[str] = re.findall(r"^Depends: (linux-image-\S+)", shown, re.MULTILINE)
        if not names:
            raise PackageError(f"{self._suite}-security holds no {_META}")
        return max(names, key=_numbers)

    def download(self, name: str) -> None:
        """Put the package into the folder."""
        _run(f"download {name}", "apt-get", *self._options, "-qq", "download", name, folder=self._folder)


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _run(what: str, *command: object, folder: Path | None = None) -> str:
    """Run a command and give what it prints; raises PackageError with `what` and the command's first complaint."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PackageError(f"cannot {what}: {error}") from None
    if done.returncode:
        complaint = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[0]
        raise PackageError(f"cannot {what}: {complaint}")
    return done.stdout

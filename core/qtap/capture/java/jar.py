"""The agent's jar: made from `agent/` by javac, carried by the wheel, the same bytes wherever one javac made it.

`python -m qtap.capture.java.jar` makes it where it is missing or older than its sources.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_FOLDER = Path(__file__).parent / "agent"
JAR = Path(__file__).parent / "agent.jar"
AGENT_CLASS = "qtap.jsse.v1.Agent"
_SOURCES_KEY = "Sources-SHA-256"
_JAVAC = ("-nowarn", "-Xlint:-options", "-source", "11", "-target", "11", "-g:none", "-encoding", "UTF-8")
_MAKE = "install a JDK (Debian: openjdk-17-jdk-headless) and type `make setup`"


class JarError(Exception):
    """There is no jar that fits its sources; the text is one sentence with its remedy."""


def agent_jar() -> bytes:
    """Give the jar; raises JarError."""
    try:
        jar = JAR.read_bytes()
    except OSError:
        raise JarError(f"the agent for Java was not built here: {_MAKE}") from None
    if f"{_SOURCES_KEY}: {_digest()}".encode() not in _manifest(JAR):
        raise JarError(f"the agent for Java is older than its sources: {_MAKE}")
    return jar


def build(target: Path = JAR) -> None:
    """Compile the sources into `target`; raises JarError."""
    javac = shutil.which("javac")
    if javac is None:
        raise JarError(f"the agent for Java cannot be built without javac: {_MAKE}")
    with tempfile.TemporaryDirectory() as folder:
        # Those that are to be the JDK's are compiled as part of it: they see what is visible in their package only.
        _compile(javac, folder, f"--patch-module=java.base={_FOLDER}", sources=_sources("sun"))
        _compile(javac, folder, sources=_sources("qtap"))
        _pack(Path(folder), target)


def _compile(javac: str, folder: str, *options: str, sources: list[Path]) -> None:
    done = subprocess.run(  # noqa: S603  the compiler that PATH names, and our own files
        [javac, *_JAVAC, *options, "-d", folder, *map(str, sources)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise JarError(f"the agent for Java does not compile: {done.stderr.strip()}")


def _pack(folder: Path, target: Path) -> None:
    """Write the classes in a fixed order with a fixed time, replacing `target` at once."""
    manifest = (
        f"Manifest-Version: 1.0\nAgent-Class: {AGENT_CLASS}\nCan-Retransform-Classes: true\n{_SOURCES_KEY}: {_digest()}\n\n"
    )
    classes = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.class"))
    new = target.with_suffix(".new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as jar:
        for name, content in [("META-INF/MANIFEST.MF", manifest.encode()), *((n, (folder / n).read_bytes()) for n in classes)]:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            jar.writestr(entry, content)
    new.replace(target)


def _manifest(jar: Path) -> bytes:
    with zipfile.ZipFile(jar) as file:
        return file.read("META-INF/MANIFEST.MF").replace(b"\r\n ", b"").replace(b"\n ", b"")


def _sources(part: str = "") -> list[Path]:
    return sorted((_FOLDER / part).rglob("*.java"))


def _digest() -> str:
    """Hash what decides the jar's content."""
    digest = hashlib.sha256(repr((AGENT_CLASS, _JAVAC)).encode())
    for path in _sources():
        digest.update(path.relative_to(_FOLDER).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def main() -> None:
    """Make the jar unless it is there and fits."""
    try:
        agent_jar()
    except JarError:
        try:
            build()
        except JarError as error:
            sys.stderr.write(f"qtap-tui: {error}\n")
            sys.exit(1)


if __name__ == "__main__":
    main()

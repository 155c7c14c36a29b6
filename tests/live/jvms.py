"""Clients and a server in Java, compiled once; which JVMs run them."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from tests.live.asking import Ask, asks
from tests.live.program import Capture, until
from tests.live.servers import HeaderLines, Seen

_SOURCES = Path(__file__).parent / "java"


def javas() -> dict[str, str]:
    """Give `java` of PATH, and those that QTAP_JAVAS names (a list as in PATH), by their versions."""
    named = [shutil.which("java") or "", *os.environ.get("QTAP_JAVAS", "").split(":")]
    return {version: java for java in named if java and (version := _version(java))}


def _version(java: str) -> str:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "([\d.]+)', said)
    return found[1] if found else ""


@cache
def compiled(sources: Path, *jars: Path) -> Path:
    """Compile the Java files of a folder, which may use those of tests/live/java and `jars`; give the folder of the classes."""
    folder = Path(tempfile.mkdtemp(prefix="qtap-java-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    classes = () if sources == _SOURCES else (compiled(_SOURCES),)
    path = ":".join(map(str, [folder, *classes, *jars]))
    subprocess.run(["javac", "--release", "11", "-cp", path, "-d", folder, *sources.glob("*.java")], check=True)
    return folder


class Jvm:
    """One running Java program; its output is read line by line."""

    def __init__(
        self,
        java: str,
        *arguments: str | Path,
        options: Iterable[str] = (),
        user: int | None = None,
        classpath: Iterable[Path] = (),
    ) -> None:
        path = ":".join(map(str, [compiled(_SOURCES), *classpath]))
        command = [java, "-XX:TieredStopAtLevel=1", "-Xshare:auto", *options, "-cp", path, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user, group=user
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin: IO[str] = self._process.stdin
        self.stdout: IO[str] = self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_captured(self, capture: Capture) -> None:
        until(lambda: f"process {self.pid} is captured" in capture.log, lambda: f"no agent in {self.pid}: {capture.log}")

    def ask(self, wanted: Iterable[Ask]) -> None:
        """Let an Asker make these requests, and wait until it has."""
        for ask in wanted:
            size = -1 if ask.body is None else len(ask.body)
            headers = [f"{name}: {value}" for name, value in ask.headers]
            self.stdin.write("\t".join([ask.id, ask.method, ask.path, str(size), str(int(ask.chunked)), *headers]) + "\n")
        self.stdin.write("go\n")
        self.stdin.flush()
        assert self.stdout.readline() == "done\n"

    def end(self) -> str:
        """Close its input, and give the rest of its output."""
        self.stdin.close()
        rest = self.stdout.read()
        assert self._process.wait() == 0
        self.stdout.close()
        return rest

    def kill(self) -> None:
        """End it without giving it a chance; nothing when it has ended."""
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):  # what it did not read
            self.stdin.close()
        self.stdout.close()


@contextmanager
def jvm(
    java: str,
    *arguments: str | Path,
    options: Iterable[str] = (),
    user: int | None = None,
    classpath: Iterable[Path] = (),
) -> Iterator[Jvm]:
    """Run a program of tests/live/java or of `classpath`, and see that it is gone afterwards."""
    running = Jvm(java, *arguments, options=options, user=user, classpath=classpath)
    try:
        yield running
    finally:
        running.kill()


def asker(java: str, kind: str, url: str, certificate: Path, threads: int = 1) -> tuple[str, str, str, str, Path, str]:
    """Give the arguments of `jvm` for a client: `h1` and `h2` of HttpClient, or `url`, HttpsURLConnection."""
    return java, "Asker", kind, url, certificate.with_name("cert.pem"), str(threads)


def seen_by(lines: str) -> list[Seen]:
    """Read what an Answerer wrote down."""
    return [_seen(line.split("\t")) for line in lines.splitlines()]


def _seen(fields: list[str]) -> Seen:
    def headers(*, of_request: bool) -> HeaderLines:
        chosen = [field.removeprefix(">") for field in fields[7:] if field.startswith(">") == of_request]
        return [(name, value) for name, _, value in (field.partition(": ") for field in chosen)]

    return Seen(
        id=fields[0],
        port=int(fields[1]),
        method=fields[2],
        target=fields[3],
        request_headers=headers(of_request=True),
        request_body=fields[4],
        at=0.0,
        status=int(fields[5]),
        response_headers=headers(of_request=False),
        response_body=fields[6],
    )


def mix(ident: str) -> list[Ask]:
    """Give the 211 requests of the other clients."""
    return list(asks(ident))

"""Why one process shows or does not, step by step: what `qtap-tui doctor --pid` prints. Reads /proc and files, nothing else."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qtap.capture.checks import Check
from qtap.capture.elf import Elf, ElfError
from qtap.capture.examine import Examiner, Finding
from qtap.capture.executables import Executables
from qtap.capture.java.jvm import RefusalError, describe, is_jvm
from qtap.capture.libraries import Library, libraries_of
from qtap.capture.offsets import shows_uring
from qtap.capture.processes import ProcessTable

_TABLES = ("tcp", "tcp6", "udp", "udp6", "unix")
_LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc_net_tcp in the kernel's documentation)."""
_IO_URING = "anon_inode:[io_uring]"
_QUIC_PORT = 443


def diagnose(pid: int, procfs: Path = Path("/proc")) -> Iterator[Check]:
    """Look at everything that decides on what is seen of process `pid`, the most basic first."""
    process = ProcessTable(procfs=str(procfs)).get(pid)
    if not process.exe:
        yield _without_program(pid, procfs)
        return
    if (whole := _status(pid, procfs).get("Tgid", str(pid))) != str(pid):
        remedy = f"ask for {whole}"
        yield Check("process", ok=False, detail=f"{pid} is one thread of the process {whole}", remedy=remedy)
        return
    where = f" in container {process.container.name or process.container.id}" if process.container else ""
    yield Check("process", ok=True, detail=f"{pid} is {process.exe}, started by {process.user or process.uid}{where}")
    if pid == os.getpid() or any(word.endswith("/qtap-tui") for word in process.args[:2]):
        yield Check("capture", ok=None, detail="it is qtap-tui itself, which never shows what it says on its own behalf")
    yield _bits(pid, procfs)
    descriptors = list(_descriptors(pid, procfs))
    yield from _sockets(pid, procfs, descriptors)
    yield from _tls(pid, procfs)
    if _IO_URING in descriptors:
        yield _uring()


def _without_program(pid: int, procfs: Path) -> Check:
    """Say why the program of a process cannot be told."""
    status = _status(pid, procfs)
    if not status:
        return Check("process", ok=False, detail=f"no process has the number {pid}", remedy="see ps -e for those that run")
    called = f"{pid} ({status.get('Name', '')})"
    if status.get("State", "").startswith(("Z", "X")):
        detail, remedy = f"{called} has ended, and waits for its parent to hear of it", "see ps -e for those that run"
        return Check("process", ok=False, detail=detail, remedy=remedy)
    try:
        os.readlink(procfs / str(pid) / "exe")  # noqa: PTH115
    except PermissionError:
        if os.geteuid():
            return Check("process", ok=False, detail=f"{called} is another user's", remedy="run it with sudo")
        detail = (
            f"this kernel hides the program and the files of {called} even from root: its unencrypted HTTP is seen, "
            "its TLS only where another process uses the same library"
        )
        return Check("process", ok=None, detail=detail)
    except OSError:
        pass
    if "VmSize" in status:
        return Check("process", ok=None, detail=f"{called} is just being started or ended", remedy="ask again")
    detail, remedy = f"{called} is a thread of the kernel, which runs no program", "choose a process with a program"
    return Check("process", ok=False, detail=detail, remedy=remedy)


def _status(pid: int, procfs: Path) -> dict[str, str]:
    """Give the fields of /proc/PID/status (proc(5)); none when there is no such process."""
    try:
        lines = (procfs / str(pid) / "status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _bits(pid: int, procfs: Path) -> Check:
    try:
        Elf(procfs / str(pid) / "exe").close()
    except ElfError as error:
        remedy = "run a 64-bit build of it: system calls of others are numbered otherwise"
        return Check("program", ok=False, detail=str(error), remedy=remedy)
    return Check("program", ok=True, detail="it is a 64-bit program, whose system calls are seen")


def _descriptors(pid: int, procfs: Path) -> Iterator[str]:
    """Give what the process's descriptors lead to."""
    try:
        names = os.listdir(procfs / str(pid) / "fd")  # noqa: PTH208  links are read by name
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(procfs / str(pid) / "fd" / name)  # noqa: PTH115
        except OSError:
            continue  # closed meanwhile


def _sockets(pid: int, procfs: Path, descriptors: list[str]) -> Iterator[Check]:
    inodes = {link[8:-1] for link in descriptors if link.startswith("socket:[")}
    kinds = Counter(kind for kind, inode in _known_sockets(pid, procfs) if inode in inodes)
    listening, open_now = kinds["listening"], kinds["tcp"]
    detail = f"it has {open_now} TCP connections open and listens on {listening}; unencrypted HTTP on them is seen"
    if not open_now + listening:
        yield Check("sockets", ok=None, detail="it has no TCP socket just now, so there is nothing to see until it opens one")
    else:
        yield Check("sockets", ok=True, detail=detail)
    if kinds["unix"]:
        yield Check("unix sockets", ok=None, detail=f"it has {kinds['unix']} unix sockets; HTTP on those is not captured")
    if kinds["quic"]:
        yield Check(
            "QUIC", ok=None, detail=f"it has {kinds['quic']} UDP sockets with port {_QUIC_PORT}; HTTP/3 is not captured"
        )


def _uring() -> Check:
    if shows_uring():
        detail = "it uses io_uring: what one request receives many times over, or into many buffers, is only counted"
        return Check("io_uring", ok=None, detail=detail)
    detail = "it uses io_uring, and this kernel does not show what passes there, as Linux 5.19 and newer do"
    return Check("io_uring", ok=False, detail=detail, remedy="watch the other end instead")


def _known_sockets(pid: int, procfs: Path) -> Iterator[tuple[str, str]]:
    """Give kind and inode of each socket in the process's network namespace."""
    for table in _TABLES:
        try:
            lines = (procfs / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if table == "unix":
                yield "unix", fields[6]
            elif table.startswith("tcp"):
                yield "listening" if fields[3] == _LISTENING else "tcp", fields[9]
            elif re.search(f":{_QUIC_PORT:04X}$", fields[1]) or re.search(f":{_QUIC_PORT:04X}$", fields[2]):
                yield "quic", fields[9]


def _java(pid: int, procfs: Path) -> Iterator[Check]:
    """Say whether Java's own TLS can be read, when it is a JVM."""
    if not is_jvm(pid, procfs):
        return
    try:
        describe(pid, procfs)
        yield Check("Java TLS", ok=None, detail="it runs Java, whose own TLS is read with --java only")
    except RefusalError as error:
        yield Check("Java TLS", ok=False, detail=f"the JVM {error}", remedy="watch the other end instead")
    except ProcessLookupError:
        return


def _tls(pid: int, procfs: Path) -> Iterator[Check]:
    examiner = Examiner()
    java = list(_java(pid, procfs))
    yield from java
    seen = bool(java)
    for library in [*libraries_of(pid, procfs), *Executables(procfs).of(pid)]:
        finding = _examine(examiner, library)
        names = " and ".join(finding.points)
        if names:
            count = sum(map(len, finding.points.values()))
            yield Check("TLS", ok=True, detail=f"{library.name} holds {names}; {count} probes are for it")
        if finding.problem:
            yield Check("TLS", ok=False, detail=f"{library.name}: {finding.problem}", remedy="watch the other end instead")
        if library.deleted and names:
            detail = f"{library.name} was replaced on disk; the process still runs the old file, which is probed by its mapping"
            yield Check("TLS", ok=None, detail=detail)
        seen = seen or bool(names or finding.problem)
    if not seen:
        detail = "no TLS library is found in this process; encrypted traffic of another kind shows as a connection only"
        yield Check("TLS", ok=None, detail=detail)


def _examine(examiner: Examiner, library: Library) -> Finding:
    try:
        with Elf(library.path) as elf:
            return examiner.examine(elf, library)
    except ElfError as error:
        return Finding(problem=library.problem or str(error))

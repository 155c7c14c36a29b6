"""What watches the host during a measured run: nothing, bcc's sslsniff, empty programs, or this program.

Each is a context manager that gives the pid of the watching process (0 where there is none) once it watches.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.kernel import newest_id
from qtap.capture.compiler import compiled, data_folder
from qtap.capture.engine import Engine
from qtap.capture.probes import Prober
from qtap.capture.verdict import Scope

PROGRAM = str(Path(sys.executable).with_name("qtap-tui"))
_RETURN_0 = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
"""BPF: r0 = 0; exit."""
_SSLSNIFF_NEEDS = "#define TASK_COMM_LEN 16\n#define min(a, b) ((a) < (b) ? (a) : (b))\n"
"""What sslsniff takes from the kernel's headers; those of a kernel other than the running one do not compile with it."""
_PATIENCE = 30.0
_QUIET = 0.5


class Mode(NamedTuple):
    """One way of watching."""

    name: str
    start: Callable[[int], AbstractContextManager[int]]
    """Takes the descriptor that its output goes to."""

    def quietly(self) -> AbstractContextManager[int]:
        """Start with the output thrown away."""
        return _into_nothing(self)


@contextmanager
def _into_nothing(mode: Mode) -> Iterator[int]:
    with Path(os.devnull).open("wb") as nothing, mode.start(nothing.fileno()) as pid:
        yield pid


@contextmanager
def _nothing(_output: int) -> Iterator[int]:
    yield 0


@contextmanager
def _limit(_output: int) -> Iterator[int]:
    """Set everything that this program sets, with programs that do nothing."""
    code = compiled()
    empty = code._replace(programs=dict.fromkeys(code.programs, _RETURN_0))
    engine = Engine(empty, ring_size=1 << 16, scope=Scope())
    try:
        engine.watch_sockets()
        Prober(engine).attach_known()
        yield 0
    finally:
        engine.close()


def qtap(*options: str) -> Callable[[int], AbstractContextManager[int]]:
    """Give a way to start this program without a screen."""

    @contextmanager
    def start(output: int) -> Iterator[int]:
        with subprocess.Popen([PROGRAM, "--no-ui", *options], stdout=output, stderr=subprocess.PIPE) as process:
            assert process.stderr
            try:
                for line in process.stderr:
                    if b"ready" in line:
                        break
                else:
                    raise RuntimeError(f"qtap-tui {' '.join(options)} ended with status {process.wait()}")
                _wait_for_late_programs()
                yield process.pid
            finally:
                process.send_signal(signal.SIGINT)

    return start


def _wait_for_late_programs() -> None:
    """Wait until no program was loaded for a while: some are loaded after capture has begun, for programs that start later."""
    while True:
        before = newest_id()
        time.sleep(_QUIET)
        if newest_id() == before + 1:
            return


def sslsniff_command() -> list[str]:
    """Give the command for bcc's sslsniff, empty where it is not installed; GnuTLS and NSS are not probed."""
    found = shutil.which("sslsniff-bpfcc", path="/usr/sbin:/usr/bin") or shutil.which("sslsniff", path="/usr/share/bcc/tools")
    return ["/usr/bin/python3", "-u", found, "--no-gnutls", "--no-nss"] if found else []


@contextmanager
def sslsniff_headers() -> Iterator[dict[str, str]]:
    """Make the few headers that sslsniff needs, and give the environment in which it finds them."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "stub")
        shutil.copytree(data_folder() / "stub", tree)
        Path(tree, "include/linux/sched.h").write_text(_SSLSNIFF_NEEDS)
        yield {**os.environ, "BCC_KERNEL_SOURCE": str(tree)}


@contextmanager
def _sslsniff(output: int) -> Iterator[int]:
    command = [word for word in sslsniff_command() if word != "-u"]
    with sslsniff_headers() as environment, subprocess.Popen(
        command, stdout=output, stderr=subprocess.DEVNULL, env=environment
    ) as process:  # fmt: skip
        try:
            _wait_for_perf_events(process)
            yield process.pid
        finally:
            process.kill()  # asked to end it takes 0.4 s to detach, and longer to say that it could not


def _descriptors(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(entry.readlink()))
    return found


def _wait_for_perf_events(process: subprocess.Popen[bytes]) -> None:
    """Wait until sslsniff has its four probes and one buffer a processor: it says nothing when it is ready."""
    expected, end = 4 + len(os.sched_getaffinity(0)), time.monotonic() + _PATIENCE
    while True:
        links = _descriptors(process.pid) if process.poll() is None else []
        if sum("perf_event" in link for link in links) >= expected:
            return
        if time.monotonic() > end or process.poll() is not None:
            raise RuntimeError("sslsniff does not start")
        time.sleep(0.05)


NOTHING = Mode("nothing again (noise)", _nothing)
SSLSNIFF = Mode("bcc sslsniff", _sslsniff)
LIMIT = Mode("the limit: empty programs", _limit)
FILTERED = Mode("qtap-tui, every process filtered out", qtap("--exe", "/no/such/program"))
SUMMARY = Mode("qtap-tui, level summary", qtap("--level", "summary"))
FULL = Mode("qtap-tui, everything with bodies", qtap())
SSLSNIFF_IS_MISSING = "not installed (Debian: bpfcc-tools)"

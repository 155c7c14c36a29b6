"""The thread that sets probes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from qtap.capture import private_probes, probes
from qtap.capture.bpf import VerifierError
from qtap.capture.compiler import Bytecode
from qtap.capture.engine import Engine
from qtap.capture.examine import Finding
from qtap.capture.libraries import Library
from qtap.capture.probe import ProbePoint
from qtap.capture.probes import Prober
from qtap.capture.written import Written

PATIENCE = 10.0


class Kernel:
    """Plays the kernel's side."""

    def __init__(self) -> None:
        self.added: list[Bytecode] = []
        self.probed: list[str] = []
        self.removed: list[int] = []

    def add(self, code: Bytecode) -> None:
        self.added.append(code)

    def lacks(self, programs: Iterable[str]) -> bool:
        return not set(programs) <= {program for code in self.added for program in code.programs}

    def probe(self, _path: str, program: str, _offsets: Sequence[int], **_how: object) -> list[int]:
        self.probed.append(program)
        return [len(self.probed)]

    def load_soon(self) -> None:
        raise VerifierError("go_read_enter: Argument list too long")

    def remove(self, links: Iterable[int]) -> None:
        self.removed += links


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def prober(kernel: Kernel) -> Prober:
    return Prober(cast("Engine", kernel))


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtap.capture.probes.Executables.installed", lambda _: iter(()))


@pytest.mark.usefixtures("nothing_installed")
def test_a_kernel_that_refuses_programs_for_rare_libraries_leaves_the_others(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = Bytecode([], {})
    prober = Prober(cast("Engine", kernel), rest=lambda: rest)
    prober.start()
    monkeypatch.setattr(private_probes, "any_bio_points", lambda _: [ProbePoint("BIO_read", 64, "bio_enter_read")])
    prober.private.seek(os.getpid())
    prober.private.exited(os.getpid())
    end = time.monotonic() + PATIENCE
    while not kernel.removed and time.monotonic() < end:
        time.sleep(0.01)
    prober.stop()
    assert (prober.complete, kernel.added) == (True, [rest])
    assert kernel.removed == list(range(1, len(kernel.probed) + 1))


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_compiled_after_the_end_of_capture_is_not_loaded(kernel: Kernel) -> None:
    asked, compiled = threading.Event(), threading.Event()

    def slow() -> Bytecode:
        asked.set()
        compiled.wait(PATIENCE)
        return Bytecode([], {})

    prober = Prober(cast("Engine", kernel), rest=slow)
    prober.start()
    assert asked.wait(PATIENCE)
    prober.stop()
    compiled.set()
    prober._thread.join(PATIENCE)  # noqa: SLF001 - which nobody waits for
    assert kernel.added == []


@pytest.mark.usefixtures("nothing_installed")
def test_what_waits_for_its_programs_is_found_again_when_its_process_is_gone(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "first").symlink_to("/bin/true")
    (tmp_path / "second").symlink_to("/bin/true")
    inode = Path("/bin/true").stat().st_ino
    monkeypatch.setattr(probes, "libraries", lambda: iter(()))
    found = [Library("it", str(tmp_path / name), inode, 1, "") for name in ("first", "second")]
    monkeypatch.setattr("qtap.capture.probes.Executables.running", lambda _: found[:1])
    point = ProbePoint("crypto/tls.(*Conn).Close", 64, "go_close")
    monkeypatch.setattr("qtap.capture.probes.Examiner.look", lambda *_: iter([Finding(points={"Go": [point]})]))
    compiled = threading.Event()

    def slow() -> Bytecode:
        compiled.wait(PATIENCE)
        return Bytecode([], {"go_close": b""})

    prober = Prober(cast("Engine", kernel), rest=slow)
    prober.attach_known()
    prober.start()
    del found[0]
    (tmp_path / "first").unlink()
    compiled.set()
    end = time.monotonic() + PATIENCE
    while not prober.complete and time.monotonic() < end:
        time.sleep(0.01)
    prober.stop()
    assert prober.attached == ["it"]
    assert kernel.probed == ["go_close"]


class Writes:
    """Plays what tells of files that were written."""

    def __init__(self, *paths: str) -> None:
        self.files = [os.open(path, os.O_RDONLY) for path in paths]
        self.fd = os.eventfd(len(paths))
        self.resting = 0.0
        self.closed = False

    def resume(self) -> None:
        pass

    def take(self) -> Iterator[tuple[int, Library]]:
        for number, file in enumerate(self.files):
            yield file, Library("it", f"/proc/self/fd/{file}", number, 1, "")
        self.files = []

    def close(self) -> None:
        os.close(self.fd)
        self.closed = True


@pytest.mark.usefixtures("nothing_installed")
def test_not_too_many_files_are_open_at_once_and_none_is_watched_after_the_end(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def look(_examiner: object, _elf: object, library: Library) -> Iterator[Finding]:
        looked.append(library.path)
        return iter([Finding(), Finding()])

    monkeypatch.setattr(probes, "_MOST_UNDER_WAY", 2)
    monkeypatch.setattr("qtap.capture.probes.Examiner.look", look)
    writes = Writes("/bin/true", "/bin/true", "/bin/true")
    files = [*writes.files]
    prober = Prober(cast("Engine", kernel))
    prober._written = cast("Written", writes)  # noqa: SLF001 - which watches the host
    prober._bench.watch(writes.fd, prober._take_written)  # noqa: SLF001
    prober.start()
    end = time.monotonic() + PATIENCE
    while any(os.path.exists(f"/proc/self/fd/{file}") for file in files) and time.monotonic() < end:  # noqa: PTH110
        time.sleep(0.01)
    assert looked == [f"/proc/self/fd/{file}" for file in files[:2]]
    prober.stop()
    assert writes.closed


@pytest.mark.usefixtures("nothing_installed")
def test_a_fault_that_ends_the_thread_is_told(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("qtap.capture.probes.Examiner.look", lambda *_: 1 // 0)
    prober = Prober(cast("Engine", kernel))
    prober.start()
    prober.executed(os.getpid())
    prober._thread.join(PATIENCE)  # noqa: SLF001
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "no more probes are set: integer division or modulo by zero (--log-level debug says where)"
    ]

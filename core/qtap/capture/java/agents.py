"""Loading the agent into JVMs, keeping it there while capture runs, and letting it go.

The agent ends its work when the pipe that we hold open ends, so also when this process is killed. Its three files in the JVM's
/tmp are gone as soon as it is loaded; the JVM's own socket .java_pidN, which any attaching leaves, stays until the JVM ends.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from qtap.capture.inside import open_inside
from qtap.capture.java.attach import ask
from qtap.capture.java.jar import agent_jar
from qtap.capture.java.jvm import Jvm, RefusalError, describe, has_ended, has_started, jvms

_log = logging.getLogger("qtap")
_AT_ONCE = 4
"""JVMs that are asked at the same time."""
_FIRST_WAIT = 10.0
"""Seconds that the start of capture waits for the JVMs that run already."""
_START_WAIT = 30.0
"""Seconds until a JVM that has mapped its library has started; on a busy host that takes long."""
_LAST_WAIT = 1.0
"""Seconds that the end of capture waits for agents that are being loaded."""
_LOOK = 0.02
_OLDEST = 11
_ANSWER_LIMIT = 4096
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Listener(Protocol):
    """The kernel side, which believes only processes that it was told of."""

    def listen_to_jvm(self, pid: int, since: int) -> None:
        """Believe `pid` what it tells of its TLS; it misses nothing of connections that began after `since` (monotonic, ns)."""

    def ignore_jvm(self, pid: int) -> None:
        """Believe it no longer."""


class Agents:
    """One agent in each JVM that is wanted."""

    def __init__(self, listener: Listener, wanted: Callable[[int], bool]) -> None:
        """Raise JarError when there is no agent to load."""
        self.count = 0
        """JVMs that have one."""
        self._jar = agent_jar()
        self._listener = listener
        self._wanted = wanted
        self._pipes: dict[int, tuple[int, int]] = {}
        """The pipe of each process that has an agent, and when it got it (monotonic, nanoseconds)."""
        self._loading: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._turns = threading.Semaphore(_AT_ONCE)

    def attach_known(self) -> None:
        """Load the agent into every JVM that runs; return when that is done, or after ten seconds."""
        end = time.monotonic() + _FIRST_WAIT
        for thread in [self.started(pid) for pid in jvms()]:
            thread.join(max(0, end - time.monotonic()))

    def started(self, pid: int) -> threading.Thread:
        """Tell that `pid` became a JVM; returns at once, with the thread that loads the agent."""
        thread = threading.Thread(target=self._attach, args=(pid,), name=f"qtap-java-{pid}", daemon=True)
        thread.start()
        return thread

    def ended(self, pid: int, at: int) -> None:
        """Tell that a process ended, or began to run another program, at the monotonic time `at`."""
        with self._lock:
            if pid in self._pipes and self._pipes[pid][1] < at:
                os.close(self._pipes.pop(pid)[0])

    def stop(self) -> None:
        """Let all agents go; each JVM has its own code again a moment later."""
        with self._lock:
            self._stopped = True
            for pipe, _ in self._pipes.values():
                os.close(pipe)
            self._pipes.clear()
        # One that is being loaded takes its files away again.
        end = time.monotonic() + _LAST_WAIT
        while self._loading and time.monotonic() < end:
            time.sleep(_LOOK)

    def _attach(self, pid: int) -> None:
        if not self._claim(pid):
            return
        try:
            with self._turns:
                if not self._stopped and self._wanted(pid):
                    self._load(pid)
        except ProcessLookupError:
            pass
        except RefusalError as error:
            _log.warning("no Java TLS of process %d: the JVM %s", pid, error)
        except OSError as error:
            _log.warning("no Java TLS of process %d: its JVM cannot be asked (%s)", pid, error)
        finally:
            self._loading.discard(pid)

    def _claim(self, pid: int) -> bool:
        """Whether it is this thread's to load the agent into `pid`."""
        with self._lock:
            if pid in self._pipes or pid in self._loading:
                return False
            self._loading.add(pid)
            return True

    def _load(self, pid: int) -> None:
        pidfd = os.pidfd_open(pid)
        try:
            jvm = describe(pid)
            _wait_until_started(pid, pidfd)
            self._listener.listen_to_jvm(pid, _NEVER)
            version, pipe = self._load_into(jvm, pidfd)
        except BaseException:
            self._listener.ignore_jvm(pid)
            raise
        finally:
            os.close(pidfd)
        self._listener.listen_to_jvm(pid, time.monotonic_ns())
        with self._lock:
            if self._stopped:
                os.close(pipe)
                return
            self._pipes[pid] = pipe, time.monotonic_ns()
            self.count += 1
        _log.info("Java TLS of process %d is captured: %s", pid, version)

    def _load_into(self, jvm: Jvm, pidfd: int) -> tuple[str, int]:
        """Give the JVM's version and the pipe whose end ends the agent."""
        with _root(jvm) as root:
            _check_sink(root)
            with _folder(root, "tmp") as tmp:
                version = _version(ask(jvm, tmp, pidfd, "properties"))
                return version, self._load_from(jvm, tmp, pidfd)

    def _load_from(self, jvm: Jvm, tmp: int, pidfd: int) -> int:
        prefix = f".qtap-{secrets.token_hex(8)}"
        names = [f"{prefix}.{suffix}" for suffix in ("jar", "pipe", "answer")]
        pipe = answer = -1
        try:
            _put(tmp, names[0], self._jar)
            pipe = _make_pipe(tmp, names[1], jvm)
            answer = os.open(names[2], _NEW | os.O_RDWR, 0o600, dir_fd=tmp)
            os.fchown(answer, jvm.uid, jvm.gid)
            text = ask(jvm, tmp, pidfd, "load", "instrument", "false", f"/tmp/{names[0]}=/tmp/{prefix}")  # noqa: S108  JVM's
            _check_outcome(os.pread(answer, _ANSWER_LIMIT, 0).decode("utf-8", "replace") or text.strip() or "no answer")
        except BaseException:
            if pipe >= 0:
                os.close(pipe)
            raise
        finally:
            if answer >= 0:
                os.close(answer)
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=tmp)
        return pipe


_NEVER = (1 << 64) - 1


def _wait_until_started(pid: int, pidfd: int) -> None:
    end = time.monotonic() + _START_WAIT
    while not has_started(pid):
        if has_ended(pidfd):
            raise ProcessLookupError(pid)
        if time.monotonic() > end:
            raise RefusalError("does not catch SIGQUIT, by which it is asked")
        time.sleep(_LOOK)


def _check_outcome(outcome: str) -> None:
    if outcome != "ok":
        raise RefusalError(f"does not take the agent: {outcome}")


def _version(properties: str) -> str:
    """Read "java.version" from what the JVM says of itself; raises RefusalError for one that is too old."""
    found = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    version = found.get("java.version", "")
    major = found.get("java.specification.version", "0").partition(".")[0]
    if not major.isdigit() or int(major) < _OLDEST:
        raise RefusalError(f"is Java {version or 'of an unknown version'}; capture needs {_OLDEST} or newer")
    return f"Java {version}"


@contextmanager
def _root(jvm: Jvm) -> Iterator[int]:
    fd = os.open(f"/proc/{jvm.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _folder(root: int, name: str) -> Iterator[int]:
    fd = open_inside(root, name, os.O_PATH | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def _check_sink(root: int) -> None:
    """See that /dev/null is what its name says, before plaintext is written to it."""
    fd = open_inside(root, "dev/null", os.O_PATH)
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
        raise RefusalError("runs where /dev/null is another file")


def _put(folder: int, name: str, content: bytes) -> None:
    with os.fdopen(os.open(name, _NEW | os.O_WRONLY, 0o444, dir_fd=folder), "wb") as file:
        os.fchmod(file.fileno(), 0o444)
        file.write(content)


def _make_pipe(folder: int, name: str, jvm: Jvm) -> int:
    """Make a pipe with a name that `jvm` can open; give our end."""
    os.mkfifo(name, 0o600, dir_fd=folder)
    fd = os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    os.fchown(fd, jvm.uid, jvm.gid)
    return fd

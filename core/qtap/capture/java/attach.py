"""HotSpot's attach protocol (src/hotspot/os/posix/attachListener_posix.cpp of OpenJDK): how jcmd speaks with a JVM.

A file /tmp/.attach_pidN and SIGQUIT ask for a socket /tmp/.java_pidN, which answers one command a connection. Only the JVM's
own user and group, or root, may ask; a JVM in a user namespace does not know our root, so we ask as its user.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qtap.capture.inside import open_inside
from qtap.capture.java.credentials import acting_as
from qtap.capture.java.jvm import Jvm, RefusalError, catches_sigquit, has_ended

_SOCKET_WAIT = 10.0
"""Seconds until a JVM that was asked has its socket: it comes to that between two safepoints; jcmd waits as long."""
_ANSWER_WAIT = 20.0
_LOOK = 0.005
_ANSWER_LIMIT = 1 << 20


def ask(jvm: Jvm, tmp: int, pidfd: int, command: str, *arguments: str) -> str:
    """Let `jvm` run a command with up to three arguments; give what it answers to one that succeeded.

    `tmp` is the folder /tmp as the JVM sees it. Raises RefusalError, ProcessLookupError, OSError.
    """
    if not _has_socket(jvm, tmp):
        _wake(jvm, tmp, pidfd)
    words = ["1", command, *arguments, *[""] * (3 - len(arguments))]
    status, _, text = _exchange(jvm, tmp, "".join(f"{word}\0" for word in words).encode()).partition("\n")
    if status != "0":
        raise RefusalError(f"refuses `{command}`: {text.strip() or status}")
    return text


def _exchange(jvm: Jvm, tmp: int, request: bytes) -> str:
    with _socket(jvm, tmp) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_WAIT)
        try:
            with acting_as(jvm.uid, jvm.gid):
                connection.connect(path)
            connection.sendall(request)
            return _read_all(connection)
        except TimeoutError:
            raise RefusalError("does not answer; it may hang") from None


@contextmanager
def _socket(jvm: Jvm, tmp: int) -> Iterator[str]:
    """Give a path to the JVM's socket; never to one of the host, to which a link in a container may lead."""
    fd = open_inside(tmp, _socket_name(jvm), os.O_PATH | os.O_NOFOLLOW, links=False)
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise RefusalError("has another file where its attach socket should be")
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _read_all(connection: socket.socket) -> str:
    answer = bytearray()
    while len(answer) < _ANSWER_LIMIT and (piece := connection.recv(1 << 16)):
        answer += piece
    return answer.decode("utf-8", "replace")


def _wake(jvm: Jvm, tmp: int, pidfd: int) -> None:
    """Ask for the socket."""
    name = f".attach_pid{jvm.own_pid}"
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=tmp)
    fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600, dir_fd=tmp)
    try:
        os.fchown(fd, jvm.uid, jvm.gid)
        if not catches_sigquit(jvm.pid):
            raise RefusalError("does not catch SIGQUIT, by which it is asked")
        signal.pidfd_send_signal(pidfd, signal.SIGQUIT)
        _wait_for_socket(jvm, tmp, pidfd)
    finally:
        os.close(fd)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=tmp)


def _wait_for_socket(jvm: Jvm, tmp: int, pidfd: int) -> None:
    end = time.monotonic() + _SOCKET_WAIT
    while not _has_socket(jvm, tmp):
        if has_ended(pidfd):
            raise ProcessLookupError(jvm.pid)
        if time.monotonic() > end:
            raise RefusalError("does not open its attach socket; it may hang, or attaching is switched off")
        time.sleep(_LOOK)


def _has_socket(jvm: Jvm, tmp: int) -> bool:
    try:
        os.stat(_socket_name(jvm), dir_fd=tmp, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _socket_name(jvm: Jvm) -> str:
    return f".java_pid{jvm.own_pid}"

"""Asking a JVM by its socket, and nobody else's."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qtap.capture.java.attach import ask
from qtap.capture.java.jvm import Jvm, RefusalError

ME = Jvm(pid=os.getpid(), own_pid=7, uid=os.geteuid(), gid=os.getegid())


@pytest.fixture
def tmp(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    return server


def test_a_command_is_answered(tmp: int, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(server: socket.socket) -> None:
        with server.accept()[0] as connection:
            heard.append(connection.recv(1000))
            connection.sendall(b"0\nanswer")

    with listening(tmp_path / ".java_pid7") as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        assert ask(ME, tmp, -1, "load", "a") == "answer"
        thread.join()
    assert heard == [b"1\0load\0a\0\0\0"]


def test_a_link_to_a_socket_of_the_host_is_not_followed(tmp: int, tmp_path: Path) -> None:
    with listening(tmp_path / "other") as server:
        (tmp_path / ".java_pid7").symlink_to(tmp_path / "other")
        with pytest.raises(RefusalError, match="another file"):
            ask(ME, tmp, -1, "load")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()

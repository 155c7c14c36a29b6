"""SSL_sendfile passes no buffer: a library of the test's own, with its calls and no encryption, since few kernels have kTLS."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.live.program import Capture, is_server
from tests.live.wires import wire

pytestmark = pytest.mark.live

LIBRARY = """
#include <sys/sendfile.h>
#include <unistd.h>
int SSL_read(int *ssl, void *buffer, int n) { return read(*ssl, buffer, n); }
int SSL_write(int *ssl, const void *buffer, int n) { return write(*ssl, buffer, n); }
long SSL_sendfile(int *ssl, int fd, off_t at, size_t n, int flags) { return sendfile(*ssl, fd, &at, n); }
"""
SERVER = """
import ctypes, sys
library, fd, file = ctypes.CDLL(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "rb")
ssl, buffer = ctypes.c_int(fd), ctypes.create_string_buffer(4096)
library.SSL_sendfile.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t, ctypes.c_int]
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
for turn in range(2):
    library.SSL_read(ctypes.byref(ssl), buffer, 4096)
    head = b"HTTP/1.1 200 OK\\r\\nX-Turn: %d\\r\\nContent-Length: 5000\\r\\n\\r\\n" % turn
    library.SSL_write(ctypes.byref(ssl), head, len(head))
    library.SSL_sendfile(ctypes.byref(ssl), file.fileno(), 0, 5000, 0)
"""


def test_the_length_of_what_a_file_gave_is_known_and_the_next_response_is_whole_where_it_should(tmp_path: Path) -> None:
    library, file = tmp_path / "libssl.so.9", tmp_path / "file"
    (tmp_path / "ssl.c").write_text(LIBRARY)
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "ssl.c"], check=True)
    with library.open("ab") as padded:
        padded.write(bytes(1 << 16))  # smaller files hold no TLS library
    file.write_bytes(b"f" * 5000)
    with wire() as (client, server):
        server.setblocking(True)  # noqa: FBT003 - the name of the method says it
        command: list[str | Path] = [sys.executable, "-c", SERVER, library, str(server.fileno()), file]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[server.fileno()]
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with Capture() as capture:
                teller = threading.Thread(target=process.communicate, args=("\n",))
                teller.start()
                for turn in range(2):
                    client.sendall(f"GET /{turn} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                    got = b""
                    while got.count(b"f") < 5000:
                        got += client.recv(65536)
                teller.join()
                found = capture.wait_for(
                    2, lambda transaction: is_server(transaction) and transaction["request"]["url"].startswith("https")
                )
    assert [t["response"]["headers"]["X-Turn"] for t in found] == ["0", "1"]
    assert [t["response"]["body_truncated"] for t in found] == [5000, 5000]

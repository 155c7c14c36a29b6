"""Connections that do not stop at one response: tunnels, endless responses, PROXY headers."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.live.program import Capture, body_of, is_server
from tests.live.servers import recorder
from tests.live.wires import port_of, read, wire

pytestmark = pytest.mark.live


@contextmanager
def proxy() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.live.tunnel"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield int(running.stdout.readline())
        running.stdin.close()


@pytest.mark.parametrize("tls", [True, False])
def test_what_passes_through_a_tunnel_is_the_clients_and_the_servers(capture: Capture, certificate: Path, *, tls: bool) -> None:
    with recorder(certificate if tls else None) as server, proxy() as port:
        url = f"{server.url}/through/{'tls' if tls else 'plain'}"
        curl = ["curl", "--silent", "--fail", "--output", "/dev/null", "--http1.1", "--cacert", str(certificate)]
        through = ["--proxy", f"http://127.0.0.1:{port}", "--proxytunnel"]
        subprocess.run([*curl, *through, f"{url}/a?size=7", f"{url}/b?size=8"], check=True)
        target = server.url.rpartition("/")[2]
    tunnels = capture.wait_for(2, lambda t: t["request"]["method"] == "CONNECT" and t["request"]["authority"] == target)
    assert sorted(map(is_server, tunnels)) == [False, True]
    assert all("incomplete" not in t for t in tunnels)
    count = 4 if tls else 8  # in a plain tunnel the proxy's two ends speak HTTP as well
    found = capture.wait_for(count, lambda t: t["request"]["path"].startswith(url.partition(target)[2]))
    assert len(found) == count
    assert all(t["request"]["scheme"] == ("https" if tls else "http") and t["request"]["authority"] == target for t in found)
    by_curl = [t for t in found if t["metadata"]["process_exe"].endswith("/curl")]
    assert [len(body_of(t["response"])) for t in by_curl] == [7, 8]
    assert not any("incomplete" in t for t in found)


LINE = b"PROXY TCP4 203.0.113.7 10.0.0.1 50001 80\r\n"
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 1]) + b"\xc3\x51\x00\x50"
ASK = b"POST /proxied HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("level", ["full", "headers"])
def test_a_proxy_header_before_the_request_is_told_and_stripped(level: str) -> None:
    with Capture("--level", level) as capture:
        for prefix in (LINE, BINARY):
            with wire() as (client, server):
                port = port_of(client)
                client.sendall(prefix + ASK)
                assert read(server, len(prefix + ASK)) == prefix + ASK
                server.sendall(ANSWER)
                assert read(client, len(ANSWER)) == ANSWER
            for transaction in [one for ends in capture.both_ends(port) for one in ends]:
                assert transaction["metadata"]["client_address"] == "203.0.113.7:50001"
                assert (transaction["request"]["path"], transaction["response"]["status"]) == ("/proxied", 200)
                assert "incomplete" not in transaction
                assert body_of(transaction["request"]) == (b"abc" if level == "full" else b"")


class Endless(BaseHTTPRequestHandler):
    """Early hints, then an event every hundredth of a second, until the client has gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for number in itertools.count():
                event = b"id: %d\ndata: tick %d\n\n" % (number, number)
                self.wfile.write(b"%X\r\n%b\r\n" % (len(event), event))
                time.sleep(0.01)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        pass


@contextmanager
def endless() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_an_endless_response_is_in_the_log_while_it_grows_and_is_bounded() -> None:
    with endless() as port:
        watch = [sys.executable, "-m", "tests.live.log_watch", str(port), "1000"]
        with subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdin is not None
            assert watching.stdout is not None
            assert watching.stdout.readline() == "ready\n"
            looks = map(json.loads, watching.stdout)
            curl = subprocess.Popen(["curl", "-sN", "-o", "/dev/null", f"http://127.0.0.1:{port}/events"])
            first = next(look for look in looks if "tick 0\n" in look["body"])
            assert (first["path"], first["finished"], len(first["interim"])) == ("/events", False, 1)
            grown = next(look for look in looks if "tick 20\n" in look["body"])
            assert not grown["finished"]
            cut = next(look for look in looks if look["size"] > 2000)
            assert (len(cut["body"]), cut["incomplete"], cut["finished"]) == (1000, ["response_body_cut"], False)
            curl.terminate()
            curl.wait()
            last = next(look for look in looks if look["finished"])
            assert last["incomplete"] == ["response_body_cut", "response_body_unfinished"]
            watching.stdin.close()

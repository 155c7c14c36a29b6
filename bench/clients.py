"""The load: wrk for rates, and one paced connection for latencies."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import tempfile
import time
from typing import NamedTuple

from bench.server import PATH, Server, client_context

_DONE = """
done = function(summary, latency, requests)
    local e = summary.errors
    local errors = e.connect + e.read + e.write + e.status + e.timeout
    io.write(string.format("@ %d %d %d\\n", summary.requests, summary.duration, errors))
end
"""
_DELAY = "delay = function() return math.random({least}, {most}) end\n"
_LEAST, _MOST = 4, 11
"""Milliseconds a paced connection waits between two requests, so that connections do not fall into step."""
_WAIT = 8.0
"""Milliseconds from one request of a paced connection to the next, timer and answer included."""


class Load(NamedTuple):
    """What wrk did."""

    requests: int
    seconds: float
    cpu: float
    """Its own user and system time, in seconds."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def saturate(url: str, seconds: float) -> Load:
    """Send as many requests as eight connections of one thread can."""
    return _wrk(url, seconds, 8, "")


def pace(url: str, seconds: float, rate: int) -> Load:
    """Send about `rate` requests a second over as many connections as that takes."""
    return _wrk(url, seconds, round(rate * _WAIT / 1000), _DELAY.format(least=_LEAST, most=_MOST))


def _wrk(url: str, seconds: float, connections: int, script: str) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script + _DONE)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", file.name, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    last = next((line.split() for line in output.splitlines() if line.startswith("@ ")), None)
    if last is None or int(last[3]):
        raise RuntimeError(f"wrk failed: {output.strip()}")
    return Load(int(last[1]), int(last[2]) / 1e6, usage.ru_utime + usage.ru_stime)


def mean_latency(server: Server, seconds: float, rate: int) -> float:
    """Give the mean microseconds from a request over TLS to its answer, at `rate` requests a second on one connection."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with client_context().wrap_socket(socket.create_connection(("127.0.0.1", server.tls_port))) as connection:
        _ask(connection, request)
        start = time.perf_counter()
        taken = []
        for number in range(round(seconds * rate)):
            time.sleep(max(start + number / rate - time.perf_counter(), 0))
            sent = time.perf_counter()
            _ask(connection, request)
            taken.append(time.perf_counter() - sent)
    return statistics.mean(taken) * 1e6


def _ask(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    while not connection.recv(1 << 16).endswith(b'"}'):
        pass

"""From nothing to help, to the first picture, to the first captured request; and the memory of a process at rest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from bench.accounting import resident
from bench.modes import FULL, PROGRAM, sslsniff_command, sslsniff_headers
from bench.plan import Plan, say
from bench.report import Bound, Row
from bench.server import PATH, Server
from bench.terminal import Terminal

_COLD = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /var/cache && exec "$0" "$@"']
"""Starts a program that finds no kept compilation, and leaves the kept one alone."""
_HEADLESS = [PROGRAM, "--no-ui"]
_REST = 3.0
_PICTURE = 40
"""Visible characters that make a picture; what a terminal is asked at the start has none."""
_PATIENCE = 30
_READY, _CAPTURED = "start to ready", "start to first captured request"


def measure(plan: Plan) -> list[Row]:
    """Give the times of a start, with a kept compilation and without, and the memory at rest."""
    rounds, few = range(plan.rounds), range(max(plan.rounds // 3, 1))
    say("start, help and memory")
    rows = [
        Row("start to end, --help", "", [_help() for _ in rounds], "ms", Bound("<", 60)),
        Row("start to first paint", "screen", [_paint() for _ in rounds], "s", Bound("<", 0.4)),
        *_memory(),
    ]
    say("start to ready")
    rows += [
        Row(_READY, "no screen", [_until(_HEADLESS, b"ready") for _ in rounds], "s"),
        Row(_READY, "no screen, first start on this kernel", [_until([*_COLD, *_HEADLESS], b"ready") for _ in few], "s"),
    ]
    say("start to first captured request")
    with Server() as server, _traffic(server.urls["TLS"]):
        rows += [
            Row(_CAPTURED, "no screen", [_until(_HEADLESS, b'"http_transaction"') for _ in rounds], "s", Bound("<", 0.8)),
            Row(_CAPTURED, "no screen, first start on this kernel",
                [_until([*_COLD, *_HEADLESS], b'"http_transaction"') for _ in few], "s"),
            Row(_CAPTURED, "screen", [_shown() for _ in few], "s", Bound("<", 2)),
            Row(_CAPTURED, "screen, first start on this kernel", [_shown(_COLD) for _ in few], "s", Bound("<", 2)),
        ]  # fmt: skip
        if command := sslsniff_command():
            with sslsniff_headers() as environment:
                rows.append(Row(_CAPTURED, "bcc sslsniff", [_until(command, b"READ/RECV", environment) for _ in few], "s"))
    return rows


def _help() -> float:
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)
    return (time.perf_counter() - start) * 1000


def _paint() -> float:
    with Terminal([PROGRAM]) as terminal:
        return terminal.wait(lambda painted: sum(len(text.replace(" ", "")) for text in painted) > _PICTURE) - terminal.started


def _shown(prefix: Sequence[str] = ()) -> float:
    with Terminal([*prefix, PROGRAM]) as terminal:
        return terminal.wait(lambda painted: any(PATH in text for text in painted)) - terminal.started


def _until(command: Sequence[str], word: bytes, environment: dict[str, str] | None = None) -> float:
    """Give the seconds until `word` is printed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True
    )  # fmt: skip
    assert process.stdout
    with process, process.stdout as output:
        for line in output:
            if word in line:
                break
        taken = time.perf_counter() - start
        os.killpg(process.pid, signal.SIGKILL)
    return taken


@contextlib.contextmanager
def _traffic(url: str) -> Iterator[None]:
    """Let curl ask for `url` again and again."""
    loop = f"while :; do curl --insecure --silent --output /dev/null {url}; done"
    with subprocess.Popen(["sh", "-c", loop], start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _memory() -> list[Row]:
    with FULL.quietly() as pid:
        time.sleep(_REST)
        found = resident(pid)
    return [
        Row("resident at rest, no screen", "all (VmRSS)", [found["VmRSS"]], "MB", Bound("<", 60)),
        Row("resident at rest, no screen", "its own (RssAnon)", [found["RssAnon"]], "MB"),
        Row("resident at rest, no screen", "files and the kernel's ring (RssFile)", [found["RssFile"]], "MB"),
    ]

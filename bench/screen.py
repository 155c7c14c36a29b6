"""The screen on a tape: `python -m bench.screen FILE RATE` plays RATE transactions a second, as the ring's thread does.

Everything but the kernel is the real thing: connection table, HTTP observer, log and screen, in one process.
"""

from __future__ import annotations

import struct
import sys
import threading
import time

from bench.tape import Tape, open_file
from qtap.flow.log import TransactionLog
from qtap.flow.sinks import LogSink
from qtap.flow.state import EngineState
from qtap.flow.table import ConnectionTable
from qtap.model import Process
from qtap_tui.app import run

_RECORDS = 2
"""In one transaction."""
_POLL = 0.004
_SWITCH_INTERVAL = 0.0005
_TIME = struct.Struct("<Q")


class TapeFeed:
    """An engine whose kernel is a tape, played again and again."""

    def __init__(self, tape: Tape, rate: int) -> None:
        self.log = TransactionLog(256 << 20)
        self._sink = LogSink(self.log)
        self._tape = tape
        self._rate = rate * _RECORDS

    def state(self) -> EngineState:
        """Say that all is well."""
        return EngineState("live", "a tape", memory_used=self.log.used, memory_limit=self.log.limit, source="tape")

    def clear(self) -> None:
        """Empty the log."""
        self._sink.clear()

    def start(self) -> None:
        """Begin to play."""
        threading.Thread(target=self._play, name="qtap-ring", daemon=True).start()

    def _play(self) -> None:
        pages, offsets = self._tape
        process = Process(77, exe="/usr/sbin/nginx", comm="nginx", user="nobody")
        table = ConnectionTable(self._sink, lambda _pid: process, body_limit=2 << 20)
        start, played = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - start) * self._rate)
            for number in range(played, due):
                at = offsets[number % len(offsets)]
                _TIME.pack_into(pages, at, time.monotonic_ns())
                table.take(pages, at)
            played = max(due, played)
            table.tick()
            time.sleep(_POLL)


if __name__ == "__main__":
    sys.setswitchinterval(_SWITCH_INTERVAL)
    feed = TapeFeed(open_file(sys.argv[1]), int(sys.argv[2]))
    sys.exit(run(feed, on_ready=feed.start))

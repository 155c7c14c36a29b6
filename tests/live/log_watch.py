"""A program that captures curl into a transaction log and prints what the log holds of one server, whenever that changes.

`PORT LIMIT`: the server's port, and the bytes kept of one body. First prints `ready`; ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from qtap.flow.live import LiveSource
from qtap.flow.log import TransactionLog
from qtap.flow.options import LiveOptions
from qtap.flow.selection import Selection
from qtap.flow.sinks import LogSink
from qtap.model import Transaction


def look(transaction: Transaction) -> str:
    response = transaction.response
    return json.dumps(
        {
            "path": transaction.path,
            "interim": [head.decode() for head in transaction.informational],
            "body": bytes(response.body).decode(),
            "size": response.body_size,
            "incomplete": transaction.incomplete,
            "finished": transaction.finished,
        }
    )


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the test reads it


def main(port: int, limit: int) -> None:
    log = TransactionLog(1 << 26)
    options = LiveOptions(body_limit=limit, selection=Selection(exes=("/curl",)))
    source = LiveSource(options, lambda *_: say("ready"), say)
    source.start(LogSink(log))
    reading = threading.Thread(target=sys.stdin.read, daemon=True)
    reading.start()
    shown = ""
    while reading.is_alive():
        time.sleep(0.02)
        found = [row for _, row in log.rows(0, log.end) if row.connection.remote.port == port]
        now = look(found[-1]) if found else ""
        if now != shown:
            shown = now
            say(now)
    source.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

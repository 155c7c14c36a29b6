"""Transactions as an attacker would send them, and a program that shows them: `python -m tests.tui.hostile`."""

from __future__ import annotations

import sys

from qtap.flow.state import EngineState
from qtap.model import Container, Process, Transaction
from qtap_tui.app import run
from tests.tui.synthetic import SyntheticFeed, transaction

SEQUENCES = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x1b[?1049l\x1bc\x9b2J\x90q\x9c[bold red]markup[/] [@click=app.quit]x[/] "
    "\u202egpj.exe\u2066 zero\u200bwidth\u200d\ufeff tone\U0001f44d\U0001f3fd flag\U0001f1e9\U0001f1ea tag\U000e0041 "
    "nul\x00 del\x7f tab\t cr\r lf\n wide\u6f22\u5b57 \u3164\u2028\u2029 mark"
)
ZALGO = "z" + "\u0301\u0489" * 400
TEXT = SEQUENCES + ZALGO
RAW = TEXT.encode() + b"\xff\xfe\xc3\x28\xed\xa0\x80"
LONG = b"X-Long: " + b"\x1b[31mA\xff" * 150_000 + b"\r\n"
"""One header line of a megabyte."""


def hostile(number: int) -> Transaction:
    """Make a transaction in which every field that others can choose is hostile."""
    evil = Process(
        pid=666, exe="/opt/" + TEXT, comm=TEXT[:15], args=["sh", "-c", TEXT], uid=0, user=TEXT,
        container=Container(id="0123", name=TEXT, image=TEXT, labels={TEXT: TEXT}),
    )  # fmt: skip
    latin = RAW.decode("latin-1")
    made = transaction(
        number, method=latin, target="/" + latin, host=latin, process=evil, incomplete=(TEXT,), peer=TEXT,
        request_headers=RAW.replace(b"\n", b"") + b": " + RAW + b"\r\n" + LONG,
        headers=b"Content-Type: text/\x1b[31m" + RAW[:40].replace(b"\n", b"") + b"; charset=zip\r\n",
        request_body=b"[bold]" + RAW * 20, body=RAW * 50,
    )  # fmt: skip
    made.connection.sni, made.connection.tls_probe, made.protocol = TEXT, TEXT, TEXT
    made.informational = (b"HTTP/1.1 103 " + RAW + b"\r\n\r\n",)
    made.response.trailers = RAW + b": " + RAW + b"\r\n"
    return made


def feed() -> SyntheticFeed:
    """Give a feed in which the engine's own sentence is hostile too: it may quote a path."""
    state = EngineState("live", TEXT, losses={TEXT: 3}, source=TEXT, memory_used=1, memory_limit=2)
    return SyntheticFeed(engine=state).fill(30, hostile)


if __name__ == "__main__":
    sys.exit(run(feed(), capture_title=TEXT))

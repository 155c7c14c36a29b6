"""How long a key takes to be seen in a terminal while transactions arrive."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import tape
from bench.plan import Plan, say
from bench.report import Bound, Row
from bench.server import Server
from bench.terminal import Terminal

_CASES = ((0, ""), (1000, ""), (5000, ""), (5000, "s"))
"""Transactions a second, and the key that sorts the list by duration or none."""
_WORD = "bench"
"""Typed into the filter; it fits every row, so the list goes on moving."""
_PLACEHOLDER = "words in"
_LEAST, _MOST = 0.02, 0.08
"""Seconds between keys, at random."""
_WARM = 2.0
_KEYS_A_ROUND = 14
_ESCAPE = "\x1b"
_TARGET = Bound("<", 50)


def measure(plan: Plan) -> list[Row]:
    """Give median and 99th percentile of the time from a key to what it changes on the screen, at each rate."""
    rows: list[Row] = []
    with Server() as server, tempfile.NamedTemporaryFile() as file:
        file.write(tape.record(server, "TLS", 20_000))
        file.flush()
        for rate, sort in _CASES:
            case = f"{rate:,} transactions a second".replace(",", " ") + (", list sorted" if sort else "")
            say(f"keys, {case}")
            taken = [seconds * 1000 for seconds in _press(file.name, rate, sort, plan.rounds * 4)]
            rows.append(Row("key to paint, median", case, [statistics.median(taken)], "ms"))
            tail = statistics.quantiles(taken, n=100)[98]
            rows.append(Row(f"key to paint, 99th percentile of {len(taken)} keys", case, [tail], "ms", _TARGET))
    return sorted(rows, key=lambda row: row.what, reverse=True)


def _press(file: str, rate: int, sort: str, rounds: int) -> list[float]:
    command = [sys.executable, "-m", "bench.screen", file, str(rate)]
    with Terminal(command, folder=Path(__file__).parents[1]) as terminal:
        terminal.wait(lambda painted: any("following" in text for text in painted))
        terminal.press(sort)
        terminal.rest(_WARM)
        return [seconds for _ in range(rounds) for seconds in _round(terminal)]


def _round(terminal: Terminal) -> Iterator[float]:
    """Pause and go on; open the filter, type a word, and close it, which is not timed since nothing marks its end."""
    for marker in ("PAUSED", "following", "PAUSED", "following"):
        yield terminal.key("p", lambda painted, marker=marker: any(marker in text for text in painted))  # type: ignore[misc]
        _think(terminal)
    yield terminal.key("/", lambda painted: any(_PLACEHOLDER in text for text in painted))
    _think(terminal)
    for length in range(1, len(_WORD) + 1):
        typed = _WORD[:length]
        yield terminal.key(typed[-1], lambda painted, typed=typed: any(text.startswith(typed) for text in painted))  # type: ignore[misc]
        _think(terminal)
    terminal.press(_ESCAPE)
    terminal.rest(0.3)


def _think(terminal: Terminal) -> None:
    terminal.rest(random.uniform(_LEAST, _MOST))  # noqa: S311 - not a secret

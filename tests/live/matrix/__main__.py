"""The command: `python -m tests.live.matrix [--write] [CELL…]`; without cells, all. Ends with 1 when one is not as stated."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Before the tests' own modules read it: other things run on the machine, and no cell may fail for slowness.
os.environ.setdefault("QTAP_TEST_PATIENCE", "6")

from tests.live.matrix.cell import Bench, Cell, Outcome, fault_of
from tests.live.matrix.cells import CELLS
from tests.live.matrix.report import document, table
from tests.live.matrix.running import line_of, run
from tests.live.wires import make_certificate

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qtap-matrix"
_DOCUMENT = Path(__file__).parents[3] / "docs" / "coverage.md"


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if not name.startswith("--")]
    if unknown := set(names) - {cell.name for cell in CELLS}:
        print(f"no cell {', '.join(sorted(unknown))}; there are {', '.join(cell.name for cell in CELLS)}", file=sys.stderr)
        return 2
    _CACHE.mkdir(parents=True, exist_ok=True)
    done: list[tuple[Cell, Outcome]] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(make_certificate(Path(folder)), Path(folder), _CACHE)
        for cell, outcome in run([cell for cell in CELLS if not names or cell.name in names], bench):
            print(line_of(cell, outcome), flush=True)
            for example in outcome.examples[:5]:
                print(f"    {example}", flush=True)
            done.append((cell, outcome))
    print()
    print(table(done))
    if "--write" in arguments:
        _DOCUMENT.write_text(document(done))
    return int(any(not outcome.absent and fault_of(cell, outcome) for cell, outcome in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Cells of the proof matrix: some always, all when asked for (-m matrix)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.matrix.cell import Bench, Cell, Mode, fault_of
from tests.live.matrix.cells import CELLS
from tests.live.matrix.running import attempt

pytestmark = pytest.mark.live

QUICK: tuple[tuple[str, Mode], ...] = (("uvicorn", "new"), ("node-h2", "open"), ("node-fetch", "new"))
"""What no other test has, a few seconds each; most of the matrix is in the tests that are named after its programs, too."""
BY_NAME = {cell.name: cell for cell in CELLS}


def run(cell: Cell, mode: Mode, certificate: Path, folder: Path) -> None:
    missing = cell.absent()
    if missing:
        pytest.skip(missing)
    cache = folder / "cache"
    cache.mkdir()
    outcome = attempt(cell, mode, Bench(certificate, folder, cache))
    assert fault_of(cell, outcome) == "", outcome.examples
    assert outcome.counts.lost == 0


@pytest.mark.parametrize(("name", "mode"), QUICK)
def test_what_is_captured_is_what_the_server_saw(name: str, mode: Mode, certificate: Path, tmp_path: Path) -> None:
    run(BY_NAME[name], mode, certificate, tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize(("name", "mode"), [(cell.name, mode) for cell in CELLS for mode in cell.modes])
def test_every_cell_is_as_stated(name: str, mode: Mode, certificate: Path, tmp_path: Path) -> None:
    run(BY_NAME[name], mode, certificate, tmp_path)

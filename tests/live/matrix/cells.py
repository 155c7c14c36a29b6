"""All cells, in the order of the table."""

from __future__ import annotations

from tests.live.matrix import (
    cells_commands,
    cells_containers,
    cells_java,
    cells_java_boringssl,
    cells_messages,
    cells_native,
    cells_python,
)

CELLS = [
    *cells_python.CELLS,
    *cells_commands.CELLS,
    *cells_messages.CELLS,
    *cells_native.CELLS,
    *cells_java.CELLS,
    *cells_java_boringssl.CELLS,
    *cells_containers.CELLS,
]

"""Writing the requests of a capture in another form."""

from __future__ import annotations

import os
from contextlib import closing

from qtap.captures.reader import CaptureReader
from qtap.captures.writer import create
from qtap.exports import EXPORTS, System
from qtap.model import Transaction
from qtap.stores.lines import in_pieces, write_all


def export(path: str, form: str, output: str, *, force: bool) -> list[str]:
    """Write the requests of the capture at `path` to the file `output` (`-` is standard output) in a form of EXPORTS.

    Gives what could not be read, a sentence each. The file is made as a capture is: readable by its owner only, and an existing
    one is replaced with `force` alone.

    Raises:
        CaptureError: no such capture, or the file cannot be created.
        OSError: it cannot be written.
    """
    with closing(CaptureReader(path)) as reader:
        descriptor = os.dup(1) if output == "-" else create(output, force=force)
        system = System(hostname=reader.header.host, instance=reader.header.instance)
        transactions = (record for record in reader if isinstance(record, Transaction))
        try:
            for piece in in_pieces(EXPORTS[form](transactions, system)):
                write_all(descriptor, piece)
        finally:
            os.close(descriptor)
    return [
        *reader.problems,
        *([f"lines of {reader.name} that could not be read: {reader.bad}"] if reader.bad else []),
        *([f"{reader.name} breaks off: its recording did not end well"] if reader.cut else []),
    ]

"""Saved captures: what was seen, losslessly, as JSON lines (docs/capture-format.md).

`format` says what a line is, `Recorder` writes them as a Sink, `CaptureReader` reads them, `ReplaySource` plays them,
`export` writes them in another form.
"""

from __future__ import annotations

from qtap.captures.format import CaptureError, Header
from qtap.captures.reader import CaptureReader
from qtap.captures.replay import ReplaySource
from qtap.captures.writer import Recorder

__all__ = ["CaptureError", "CaptureReader", "Header", "Recorder", "ReplaySource"]

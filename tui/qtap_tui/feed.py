"""What the screen asks of the engine."""

from __future__ import annotations

from typing import Protocol

from qtap.flow.log import TransactionLog
from qtap.flow.state import EngineState


class Feed(Protocol):
    """The engine, seen from the screen. Every call returns at once and never raises."""

    @property
    def log(self) -> TransactionLog:
        """The rows; another thread appends to them and fills them in place."""

    def state(self) -> EngineState:
        """Say what the engine does now; asked at each look at the log."""

    def clear(self) -> None:
        """Empty the log; may happen a moment later, on the engine's thread."""

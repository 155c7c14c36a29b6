"""What the engine tells a screen of itself."""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["starting", "live", "replay", "ended", "failed"]


class EngineState(msgspec.Struct, frozen=True):
    """One look at the engine; taken by the screen ten times a second."""

    phase: Phase
    message: str
    """One sentence: what is captured, or why nothing is, with the remedy."""
    problem: str = ""
    """What the user should know before anything else: a recording that failed, a selection that fits no process."""
    losses: dict[str, int] = {}
    """How many things are known to be missing, by place."""
    memory_used: int = 0
    memory_limit: int = 0
    source: str = ""
    """The host, or the file."""

"""The engine of qtap-tui: capture, protocol observation, recording and replay, without a screen.

Rooms, from the bottom up: `model` (what everything speaks of), `wire` (bytes in, messages out), `capture` (the kernel side's
other half), `flow` (records to transactions), `captures` (saved files), `stores` and `exports` (what leaves the program),
`app` and `cli` (wiring). Nothing here imports Textual or `qtap_tui`.
"""

from __future__ import annotations

__version__ = "0.1.0"

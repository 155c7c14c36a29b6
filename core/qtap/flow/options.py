"""Bounds and choices of one capture."""

from __future__ import annotations

import msgspec

from qtap.capture.containers import Sockets
from qtap.config.filters import Filters
from qtap.flow.reach import EVERYWHERE, Reach
from qtap.flow.selection import Selection
from qtap.flow.toggles import Toggles


class LiveOptions(msgspec.Struct, frozen=True):
    """Bounds and choices of one capture."""

    level: str = "full"
    """`summary`, `headers` or `full`; below full no body leaves the kernel."""
    ring_size: int = 16 << 20
    body_limit: int = 2 << 20
    memory: int = 256 << 20
    """Bytes; bodies that are still arriving may take half of it."""
    selection: Selection = Selection()
    filters: Filters = Filters()
    tls_probes: tuple[str, ...] | None = None
    """Names of the TLS libraries to set probes in; None for all."""
    java: bool = False
    """Load an agent into each JVM."""
    reach: Reach = EVERYWHERE
    sockets: Sockets = Sockets()
    """Where container engines may listen."""
    trace: Toggles = Toggles()

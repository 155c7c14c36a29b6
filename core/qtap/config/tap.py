"""The section `tap`: what is captured."""

from __future__ import annotations

import msgspec

from qtap.config.filters import Filter

DIRECTIONS = ("all", "ingress", "egress", "egress-internal", "egress-external")


class Tap(msgspec.Struct, frozen=True):
    """What is captured; everything, as long as nothing else is said."""

    direction: str = "all"
    """One of `DIRECTIONS`."""
    ignore_loopback: bool = False
    """Leave out connections whose other end is 127.0.0.0/8 or ::1."""
    rules: tuple[Filter, ...] = ()
    groups: tuple[str, ...] = ()
    """Names in `qtap.config.filters.GROUPS`."""

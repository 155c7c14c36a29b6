"""Records in, transactions out: connection table, stream assembly, direction, endpoint, timing, loss marks, and the log."""

from __future__ import annotations

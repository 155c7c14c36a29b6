"""Where events go: each store takes what a Source produces, on a thread of its own behind a bounded queue."""

from __future__ import annotations

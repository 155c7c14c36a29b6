"""Bytes in, messages out: passive observers of protocols.

An observer is pure: no clock, no socket, no kernel. It is told which side sent which bytes, in the order of capture, and when;
it never raises on any input, never waits for a byte it does not need, and marks what it could not see.
"""

from __future__ import annotations

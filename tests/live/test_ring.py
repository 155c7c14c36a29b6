"""The kernel's ring, gone round many times: records that lie across its end are read as they were written."""

from __future__ import annotations

import os
import random

import pytest

from tests.live.program import Capture, body_of
from tests.live.wires import port_of, say, wire

pytestmark = pytest.mark.live

COUNT = 61
RING = 256 << 10


def test_bodies_of_many_rounds_of_a_small_ring_are_whole() -> None:
    dice = random.Random(7)  # noqa: S311 - lengths and bytes that differ, not secrets
    bodies = [dice.randbytes(dice.randrange(1, 40_000)) for _ in range(COUNT)]
    assert sum(map(len, bodies)) > 4 * RING
    with Capture("--ring-size", str(RING), "--pid", str(os.getpid())) as capture, wire() as (client, server):
        for number, body in enumerate(bodies):
            say(client, server, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            say(server, client, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if number % 3 == 2:  # the ring, which is to go round, has room for three
                capture.wait_for(2 * (number + 1), lambda _: True)
        ends = capture.both_ends(port_of(client), COUNT)
    for side in ends:
        assert [body_of(seen["response"]) for seen in side] == bodies
    assert capture.of("loss") == []

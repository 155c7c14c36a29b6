"""The limits that a shell or systemd sets: usual ones are lower than what probes of many files take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.program import PROGRAM, Capture
from tests.live.wires import port_of, say, wire

pytestmark = pytest.mark.live


def test_it_opens_more_files_than_the_soft_limit_allows(tmp_path: Path, certificate: Path) -> None:
    """Programs, maps and probes are files, for as long as it runs."""
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -S -n 64\nexec {PROGRAM} "$@"\n')
    limited.chmod(0o755)
    with Capture(program=limited) as capture, wire(pem=certificate) as (client, server):
        say(client, server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
        capture.both_ends(port_of(client))
    assert "no probes" not in capture.log

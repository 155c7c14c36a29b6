"""Which processes a capture is limited to."""

from __future__ import annotations

from qtap.flow.selection import Selection
from qtap.model import Container, Process

NGINX = Process(7, exe="/usr/sbin/nginx", container=Container(id="0123456789abcdef", name="web"))


def test_an_option_that_fits_no_process_is_named_as_it_was_typed() -> None:
    selection = Selection(pids=frozenset({7}), exes=("NGINX", "envoy"), containers=("web", "0123", "db"))
    assert selection.unmatched([NGINX]) == ["--exe envoy", "--container db"]
    assert selection.unmatched([]) == ["--exe NGINX", "--exe envoy", "--container web", "--container 0123", "--container db"]
    assert Selection(pids=frozenset({7})).unmatched([]) == []

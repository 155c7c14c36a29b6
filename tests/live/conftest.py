"""What live tests share: one running capture for those that only look, and a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import Capture
from tests.live.wires import make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a PEM file with a certificate for loopback, which is its own authority, and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    """Capture this process and its children at level full; ended well, with nothing lost."""
    with Capture("--http-buffer-size", "8MB", "--ring-size", "128MB") as running:
        yield running
    assert running.of("loss") == []

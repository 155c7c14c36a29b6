"""Results on disk: those used last are kept, whatever wrote them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qtap.capture import kept
from qtap.capture.kept import keep, read_kept


def test_of_too_many_files_those_go_that_were_not_used_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 3)
    for number, name in enumerate([".left.by.a.crash", "old-kernel", "used", "other"]):
        (tmp_path / name).write_bytes(b"x")
        (tmp_path / name).chmod(0o600)
        os.utime(tmp_path / name, (number, number))
    assert read_kept(tmp_path / "used") == b"x"
    keep(tmp_path, "new", b"y")
    assert {path.name for path in tmp_path.iterdir()} == {"used", "other", "new"}
    assert read_kept(tmp_path / "new") == b"y"

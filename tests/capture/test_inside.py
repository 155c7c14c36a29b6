"""Paths of a container lead nowhere but into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qtap.capture.inside import open_inside


def test_a_link_is_followed_as_the_container_would(tmp_path: Path) -> None:
    (tmp_path / "var/tmp").mkdir(parents=True)
    (tmp_path / "tmp").symlink_to("/var/tmp")  # noqa: S108  the very case
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    found = open_inside(root, "tmp", os.O_PATH | os.O_DIRECTORY)
    assert os.fstat(found).st_ino == (tmp_path / "var/tmp").stat().st_ino
    os.close(found)
    os.close(root)


@pytest.mark.parametrize("target", ["../../../../../../etc", "/proc/self/root/etc"])
def test_no_link_leads_out(tmp_path: Path, target: str) -> None:
    (tmp_path / "tmp").symlink_to(target)
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(OSError, match="tmp"):
        open_inside(root, "tmp", os.O_PATH | os.O_DIRECTORY)
    os.close(root)

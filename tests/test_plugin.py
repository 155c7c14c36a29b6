"""The closing line of a run on a host that cannot capture, by real runs of pytest with a host that is told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CANNOT = """
import pytest
from tests import plugin

plugin.can_capture = lambda: "not root: start it with sudo"
"""
TESTS = """
import pytest

def test_plain(): pass

@pytest.mark.live
def test_needs_a_kernel(): pass
"""


def run_pytest(folder: Path, *arguments: str, require: bool = False) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CANNOT)
    (folder / "test_sample.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if name != "QTAP_REQUIRE_LIVE"} | {"PYTHONPATH": str(ROOT)}
    if require:
        environment["QTAP_REQUIRE_LIVE"] = "1"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(folder),
        *arguments,
        str(folder),
    ]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_where_the_host_cannot_capture_the_last_line_names_what_did_not_run_and_why(tmp_path: Path) -> None:
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    *_, summary, closing = done.stdout.splitlines()
    assert "1 passed, 1 skipped" in summary
    assert closing == "!!! LIVE TESTS DID NOT RUN: 1 in test_sample.py, because not root: start it with sudo"


def test_where_live_tests_are_required_such_a_host_is_a_failure(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, require=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "QTAP_REQUIRE_LIVE=1, but this host cannot capture: not root: start it with sudo" in done.stdout
    assert "1 passed, 1 error" in done.stdout.splitlines()[-1]


def test_a_run_without_live_tests_does_not_speak_of_them(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "-m", "not live")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 deselected" in done.stdout.splitlines()[-1]

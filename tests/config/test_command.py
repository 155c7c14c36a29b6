"""`validate` and `--config` as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = "version: 2\nservices: {}\ntap: {direction: egress}\n"
HEADER = {"kind": "capture", "format": "qtap-tui", "version": 1}


def command(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    code = "from qtap.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], input=given, capture_output=True, text=True, check=False)


def test_a_file_that_can_be_used_is_ok(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    done = command("validate", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: ok\n")
    assert done.stderr == f"warning: {file}:2: services is not acted on by this version: events go to stdout\n"
    assert command("validate", "-", given=GOOD).stdout == "-: ok\n"


@pytest.mark.parametrize("arguments", [("validate", "-"), ("--no-ui", "--config", "-")])
def test_every_mistake_is_a_line_and_the_status_is_that_of_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = command(*arguments, given="tpa: 1\ntap:\n  direction: up\n")
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first == "qtap-tui: <stdin>:1:1: key 'tpa' is not known in the configuration; did you mean 'tap'?"
    assert second.startswith("qtap-tui: <stdin>:3:14: tap.direction 'up' is not known; known are: all, ")


def test_lenient_lets_unknown_keys_pass() -> None:
    done = command("validate", "--lenient", "-", given="tpa: 1")
    assert done.returncode == 0
    assert "warning: <stdin>:1: key 'tpa' is not known in the configuration and ignored" in done.stderr


def test_what_a_terminal_obeys_is_escaped() -> None:
    assert "\x1b" not in command("validate", "-", given='"\\e[31m": 1').stderr


def test_a_replay_says_that_it_shows_everything(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    done = command("--no-ui", "--config", tmp_path / "c.yaml", "--replay", "-", given=json.dumps(HEADER) + "\n")
    assert done.returncode == 0, done.stderr
    assert "services is not acted on" in done.stderr
    assert "a replay shows all that the capture holds" in done.stderr

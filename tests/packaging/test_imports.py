"""What a start does not pay for: each command is run whole in a process of its own, which tells what it loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"textual", "qtap_tui", "rich", "bcc", "boto3", "opentelemetry", "presidio_analyzer", "spacy"}
COMMAND = """
import json, sys
from pathlib import Path
from qtap.cli import main

loaded = Path(sys.argv.pop(1))
try:
    main()
finally:
    loaded.write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEADER = {"kind": "capture", "format": "qtap-tui", "version": 1}


def loaded_by(*arguments: str, into: Path, stdin: str = "") -> set[str]:
    command = [sys.executable, "-c", COMMAND, str(into), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(into.read_text()))


def test_help_loads_click_and_nothing_else_from_outside(tmp_path: Path) -> None:
    outside = loaded_by("--help", into=tmp_path / "loaded") - set(sys.stdlib_module_names) - loaded_by_python(tmp_path)
    assert outside == {"click", "qtap"}


def loaded_by_python(tmp_path: Path) -> set[str]:
    code = "import sys, json; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("command", ["--version", "doctor --help"])
def test_a_question_about_the_program_loads_nothing_heavy(tmp_path: Path, command: str) -> None:
    assert not loaded_by(*command.split(), into=tmp_path / "loaded") & HEAVY


def test_a_replay_without_a_screen_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = loaded_by("--no-ui", "--replay", "-", into=tmp_path / "loaded", stdin=json.dumps(HEADER) + "\n")
    assert "qtap" in loaded
    assert not loaded & HEAVY


@pytest.mark.live
def test_live_capture_without_a_screen_loads_nothing_heavy(tmp_path: Path) -> None:
    into = tmp_path / "loaded"
    command = [sys.executable, "-c", COMMAND, str(into), "--no-ui", "--pid", str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        assert any("ready" in line for line in program.stderr)
        program.send_signal(signal.SIGINT)
        assert program.wait() == 0
    assert not set(json.loads(into.read_text())) & HEAVY

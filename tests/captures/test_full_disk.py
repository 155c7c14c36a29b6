"""What the command says when it can write no more: which of its files that was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import qtap

DEMO = Path(qtap.__file__).parent / "_data" / "demo.jsonl.zst"


def replay(*arguments: str | Path, output: str, blocks: str = "unlimited") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from qtap.cli import main; main()", "--replay", DEMO, "--no-ui", *arguments]
    script = f'ulimit -f {blocks}; exec "$@" > "$0"'
    return subprocess.run(["sh", "-c", script, output, *command], stderr=subprocess.PIPE, text=True, check=False)


def test_a_full_output_is_told_as_such() -> None:
    done = replay(output="/dev/full")
    assert done.returncode == 1
    assert "output stopped: No space left on device" in done.stderr


def test_a_recording_that_cannot_grow_is_told_as_such(tmp_path: Path) -> None:
    done = replay("--record", tmp_path / "a.jsonl", output="/dev/null", blocks="4")
    assert done.returncode == 1
    assert "recording stopped: File too large" in done.stderr

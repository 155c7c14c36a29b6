"""Wrong usage is one sentence with its place, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qtap.cli import command

PROGRAM = Path(sys.executable).with_name("qtap-tui")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--recrod x", "qtap-tui: there is no option --recrod; did you mean --record?"),
        ("--zzz", "qtap-tui: there is no option --zzz; see qtap-tui --help"),
        ("--pid x", "qtap-tui: --pid: 'x' is no number of a process, such as 4711"),
        ("--pid", "qtap-tui: option '--pid' requires an argument"),
        ("--level x", "qtap-tui: --level: 'x' is not one of 'summary', 'headers', 'full'"),
        ("--http-buffer-size x", "qtap-tui: --http-buffer-size: 'x' is not a size such as 64KB, 2MB or 1GB"),
        ("--no-ui --record=", "qtap-tui: --record needs the name of a file, and it is empty"),
        ("--demo --replay x", "qtap-tui: --demo and --replay exclude each other"),
        ("--replay /nowhere/x --no-ui", "qtap-tui: cannot read /nowhere/x: no such file or directory"),
        ("record", "qtap-tui: no such command 'record'; see qtap-tui --help"),
        ("doctor --pid 0", "qtap-tui doctor: --pid: '0' is no number of a process, such as 4711"),
        ("validate", "qtap-tui validate: missing argument 'FILE'; see qtap-tui validate --help"),
        ("validate a \x1b[31mb", "qtap-tui validate: got unexpected extra argument (\\x1b[31mb); see qtap-tui validate --help"),
    ],
)
def test_wrong_usage_is_one_sentence(line: str, told: str) -> None:
    done = CliRunner().invoke(command, line.split(" "), prog_name="qtap-tui")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"{told}\n")


@pytest.mark.parametrize("line", ["--version", "--help", "doctor", "export --help"])
def test_a_full_disk_is_told_in_one_sentence(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([PROGRAM, *line.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "qtap-tui: standard output: No space left on device\n"


def test_a_reader_that_has_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PROGRAM, "doctor"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")

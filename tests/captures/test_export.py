"""`qtap-tui export` as a user meets it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qtap.captures.export import export
from qtap.cli import command
from qtap.cli import export as export_command
from qtap.exports import EXPORTS

DEMO = str(Path(__file__).parents[2] / "core/qtap/_data/demo.jsonl.zst")
CODE = "from qtap.cli import main; main()"


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_lines_are_those_of_a_replay() -> None:
    replayed = run("--no-ui", "--replay", DEMO, "--log-level", "error").splitlines()
    assert run("export", "--format", "jsonl", DEMO).splitlines() == [
        line for line in replayed if json.loads(line)["event"] == "http_transaction"
    ]


def test_each_request_is_a_command_in_a_file_for_its_owner(tmp_path: Path) -> None:
    output = tmp_path / "again.sh"
    assert export(DEMO, "curl", str(output), force=False) == []
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    subprocess.run(["bash", "-n", str(output)], check=True)
    assert output.read_text().count("\ncurl ") + 1 == run("export", "--format", "jsonl", DEMO).count("\n")
    kept = output.read_bytes()
    told = CliRunner().invoke(command, ["export", "--output", str(output), DEMO])
    assert (told.exit_code, "overwrite it with --force" in told.stderr) == (2, True)
    assert output.read_bytes() == kept


@pytest.mark.parametrize("name", ["", "\ntouch /tmp/x\n", "\x1b]0;x\x07"])
def test_a_request_that_was_not_seen_is_a_comment(tmp_path: Path, name: str) -> None:
    header, record = run("--no-ui", "--replay", DEMO, "--record", "-").splitlines()[::100][:2]
    transaction = json.loads(record)
    assert transaction["kind"] == "transaction"
    transaction["request"]["head"] = ""
    transaction["id"] = name or transaction["id"]
    (tmp_path / "a").write_text(f"{header}\n{json.dumps(transaction)}\n{{")
    output = tmp_path / "out"
    assert export(str(tmp_path / "a"), "curl", str(output), force=False) == [
        f"{tmp_path / 'a'} breaks off: its recording did not end well"
    ]
    shown = "$'" + repr(name)[1:-1] + "'" if name else transaction["id"]
    assert output.read_text() == f"# {shown}: this request was not seen, only its response\n\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("/nowhere/x",), "qtap-tui export: cannot read /nowhere/x: no such file or directory\n"),
        (("--output", "/tmp", DEMO), "qtap-tui export: cannot write to /tmp: it is a directory; name a file in it\n"),  # noqa: S108
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(command, ["export", *arguments], prog_name="qtap-tui")
    assert (done.exit_code, done.stderr) == (2, told)


def test_a_closed_pipe_ends_it_quietly_and_a_full_disk_in_a_sentence() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -c '{CODE}' export '{DEMO}' | head -c 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", CODE, "export", DEMO], stdout=full, stderr=-1, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "qtap-tui export: cannot write standard output: no space left on device\n")


def test_every_form_can_be_asked_for() -> None:
    [form] = [parameter for parameter in export_command.params if parameter.name == "form"]
    assert form.to_info_dict()["type"]["choices"] == tuple(EXPORTS)

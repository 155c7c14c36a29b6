"""The shared vectors, as they are and with their calls captured in smaller parts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors import Case, check_http1, describe, observe, steps

FILE = Path(__file__).parents[1] / "data" / "http1.jsonl"
ABOUT, *CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]

# Where a loss was not announced, only a call that begins with a whole status line can reveal it.
NEEDS_WHOLE_LINE = "gap: 1 body chunk lost, then new pair"


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_every_vector_passes(case: Case) -> None:
    assert check_http1(ABOUT, case) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_call_captured_in_small_parts_means_the_same(case: Case, size: int) -> None:
    split = []
    for from_client, parts in steps(case):
        data = b"".join(parts or [])
        first = data.find(b"\n") + 1 if case["name"] == NEEDS_WHOLE_LINE else 0
        rest = [data[start : start + size] for start in range(first, len(data), size)]
        split.append((from_client, [part for part in (data[:first], *rest) if part] if parts is not None else None))
    whole = [describe(transaction) for transaction in observe(steps(case))]
    assert [describe(transaction) for transaction in observe(iter(split))] == whole


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tests.vectors", *arguments], capture_output=True, text=True, check=False)


def test_the_command_counts_what_passes() -> None:
    done = run(str(FILE))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(CASES)} passed, 0 failed\n", "")


def test_the_command_shows_a_case_that_differs(tmp_path: Path) -> None:
    case = next(case for case in CASES if case["name"] == "plain")
    case = {**case, "expect": [{**case["expect"][0], "response_body": base64.b64encode(b"no").decode()}]}
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (ABOUT, case)))
    done = run(str(path))
    assert done.returncode == 1
    assert done.stdout.startswith("plain\n  expected ")
    assert done.stdout.endswith("\n0 passed, 1 failed\n")


def test_a_missing_transaction_is_a_difference(tmp_path: Path) -> None:
    case = next(case for case in CASES if case["name"] == "plain")
    path = tmp_path / "more.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (ABOUT, {**case, "expect": case["expect"] * 2})))
    assert run(str(path)).stdout.endswith("0 passed, 1 failed\n")


@pytest.mark.parametrize(
    "text", ['{"about": "Outcome of each expression"}\n', "", "not JSON\n", '{"no": "about"}\n', "[]\n", '{"about": 1}\n']
)
def test_a_file_it_cannot_use_gets_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text(text)
    done = run(str(path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"{path}: ")


def test_a_file_that_is_not_there_gets_one_sentence(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)

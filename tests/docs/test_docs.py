"""What the documents say is so: options, commands, targets and links, against the program and the files themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import qtap

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")


@cache
def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from qtap.cli import main; main()", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def listed(heading: str, *command: str) -> list[str]:
    """Give the first words of one section of `--help`."""
    section = help_of(*command).partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (?:-\w, )?(\S+)", section, re.MULTILINE)


def options() -> set[str]:
    """Give every option of the command and its sub-commands."""
    return set(listed("Options")).union(*(listed("Options", name) for name in listed("Commands")))


def code_of(document: Path) -> list[str]:
    """Give the command lines of a document: those of its code blocks, and what stands in backticks."""
    text = document.read_text()
    blocks = [line.partition(" #")[0] for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
    return blocks + SPAN.findall(FENCE.sub("", text))


def table(header: str) -> list[str]:
    """Give the first word in backticks of each row of one of the README's tables."""
    rows = (ROOT / "README.md").read_text().partition(f"| {header} | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    return [match[1] for row in rows.splitlines() if (match := SPAN.search(row))]


def test_the_readme_has_every_option_of_the_command_and_no_other() -> None:
    assert [row.split()[0] for row in table("option")] == listed("Options")


def test_the_readme_has_every_sub_command_and_no_other() -> None:
    assert [row.split()[1] for row in table("command")] == listed("Commands")


def test_each_choice_and_default_that_help_offers_stands_in_the_readme() -> None:
    rows = {
        row[3:].split("`")[0].split()[0]: row for row in (ROOT / "README.md").read_text().splitlines() if row[:5] == "| `--"
    }
    offered = 0
    for paragraph in re.split(r"\n  (?=-)", help_of().partition("\nOptions:\n")[2].partition("\n\n")[0]):
        option = OPTION.findall(paragraph)[0]
        values = [choice for choices in re.findall(r"\[([a-z|]+)\]", paragraph) for choice in choices.split("|")]
        values += re.findall(r"\[default:\s+(\w+)\]", paragraph)
        offered += len(values)
        assert [value for value in values if f"`{value}`" not in rows[option]] == []
    assert offered > 10


@EACH
def test_every_option_that_a_document_names_exists(document: Path) -> None:
    named = {
        option
        for code in code_of(document)
        if code.startswith("--") or "qtap-tui" in code
        for option in OPTION.findall(code.partition("qtap-tui")[2].partition("|")[0] if "qtap-tui" in code else code)
    }
    assert named <= options()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@EACH
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    assert {match[1] for code in code_of(document) if (match := re.match(r"make ([a-z-]+)", code))} <= make_targets()


def test_every_make_target_stands_in_a_document() -> None:
    named = {match[1] for document in DOCUMENTS for code in code_of(document) if (match := re.match(r"make ([a-z-]+)", code))}
    assert named == make_targets()


def anchors(document: Path) -> set[str]:
    """Give the anchors that a forge makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH
def test_every_link_within_the_project_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", document.read_text())):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@EACH
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir())
    for code in SPAN.findall(FENCE.sub("", document.read_text())):
        if re.fullmatch(rf"(?:{tops})/[\w./-]*", code):
            assert (ROOT / code).exists(), code


def test_the_changelog_begins_with_this_version_or_with_what_comes_after_it() -> None:
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] in ("Unreleased", qtap.__version__)

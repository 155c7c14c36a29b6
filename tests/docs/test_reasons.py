"""Why something is missing: the document, the screen and the engine know the same reasons."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from qtap_tui.formats import REASONS, reason

ROOT = Path(__file__).parents[2]
MARKING = {"mark", "give_up", "end", "_end"}
"""The functions that are told a reason, or the end of one: some put the side of the exchange before it."""


def documented() -> set[str]:
    section = (ROOT / "docs" / "output.md").read_text().partition("### Reasons of incomplete")[2].partition("\n## ")[0]
    return {word for row in re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE) for word in re.findall("`([a-z_]+…?)`", row)}


def told_by_the_engine() -> set[str]:
    """Give every text that the source passes to one of MARKING, without the blanks between words."""
    told = set()
    for path in [*(ROOT / "core/qtap/wire").glob("*.py"), *(ROOT / "core/qtap/flow").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKING:
                parts = (part.value for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Constant))
                told |= {part.strip("_") for part in parts if isinstance(part, str)}
    return told - {"", "ascii"}


def test_the_document_and_the_screen_explain_the_same_reasons() -> None:
    assert documented() == {*REASONS, "stream_reset_…"}
    assert reason("stream_reset_cancel") != "stream reset cancel"


def test_every_reason_that_the_engine_tells_is_documented() -> None:
    words = [f"_{word.rstrip('…')}_" for word in documented()]
    told = told_by_the_engine()
    assert {"request_lost", "capture_ended", "body_cut", "unfinished"} <= told
    assert sorted(part for part in told if not any(f"_{part}_" in word.replace("__", "_") for word in words)) == []


def test_every_documented_reason_is_one_that_the_engine_tells() -> None:
    told = told_by_the_engine() | {"messages_cut", "messages_unreadable"}  # by the fault of a message
    assert sorted(word for word in documented() if not any(word.rstrip("_…").endswith(part) for part in told)) == []

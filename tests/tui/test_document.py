"""Lines that wrap: nothing is lost, nothing is wider than the pane."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from qtap_tui.document import ChainDocument, Document, Line, SpanDocument, TextDocument
from qtap_tui.text import clean

LINES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t"), max_size=60), max_size=8)


def rows(document: Document, width: int) -> list[str]:
    return ["".join(text for _, text in document.row(index)) for index in range(document.reflow(width))]


@given(LINES, st.integers(2, 40))
def test_a_text_keeps_every_character_and_no_row_is_too_wide(lines: list[str], width: int) -> None:
    text = "\n".join(lines)
    found = rows(TextDocument(text), width)
    assert "".join(found) == "".join(lines)
    assert all(cell_len(clean(row)) <= width for row in found)


@given(LINES, st.integers(8, 40))
def test_spans_keep_every_character_behind_their_indent(lines: list[str], width: int) -> None:
    spans: list[Line] = [(("key", line[:3]), ("text", line[3:])) for line in lines]
    found = rows(SpanDocument(spans, hang=4), width)
    assert all(cell_len(clean(row)) <= width for row in found)
    if not any(" " in line for line in lines):
        assert "".join(found).replace(" ", "") == "".join(lines)


def test_later_rows_of_a_line_are_indented() -> None:
    assert rows(SpanDocument([(("key", "Label "), ("text", "abcdefghij"))], hang=6), 10) == [
        "Label abcd",
        "      efgh",
        "      ij",
    ]


def test_any_line_end_ends_a_line_and_tabs_are_spaces() -> None:
    assert rows(TextDocument("a\r\nb\rc\nd\te\n"), 20) == ["a", "b", "c", "d    e"]


def test_documents_stand_below_each_other() -> None:
    chain = ChainDocument([TextDocument("a\nb"), TextDocument(""), TextDocument("c")])
    assert rows(chain, 10) == ["a", "b", "c"]


def test_only_rows_that_are_seen_are_coloured() -> None:
    seen: list[str] = []

    def colour(text: str) -> Line:
        seen.append(text)
        return (("text", text),)

    document = TextDocument("\n".join(map(str, range(100_000))), colour)
    assert document.reflow(80) == 100_000
    document.row(70_000)
    assert seen == ["70000"]

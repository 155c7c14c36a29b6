"""The user's columns, kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap_tui import column_file
from qtap_tui.column_file import ColumnsError
from qtap_tui.columns import COLUMNS
from qtap_tui.layout import MOST, Layout

NAMES = st.sampled_from(sorted(COLUMNS))


def written(text: str) -> Path:
    path = column_file.user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_there_need_be_none() -> None:
    for text in (None, "", "# nothing\n", "columns:\nwidths:\n"):
        if text is not None:
            written(text)
        layout = column_file.load()
        assert (layout.chosen, layout.widths) == ((), {})


@given(st.lists(NAMES, unique=True), st.dictionaries(NAMES, st.integers(1, MOST)))
def test_what_is_saved_is_read(chosen: list[str], widths: dict[str, int]) -> None:
    column_file.save(Layout(chosen, widths))
    layout = column_file.load()
    assert (list(layout.chosen), layout.widths) == (chosen, widths)
    assert [path.name for path in column_file.user_file().parent.iterdir()] == ["columns.yaml"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("columns: [hst]", "columns: hst: no such column; did you mean host?"),
        ("columns: [17]", "columns: 17: no such column; there are state,"),
        ("columns: [[host]]", "columns: ['host']: no such column"),
        ("columns: [host, path, host]", "columns: host stands there twice"),
        ("columns: host", "columns: is not a list"),
        ("widths: [host]", "widths: is not a mapping"),
        ("widths: {hst: 3}", "widths: hst: no such column"),
        ("widths: {host: 0}", "widths.host: 0 is not a number of cells from 1 to 500"),
        ("widths: {host: true}", "widths.host: True is not"),
        ("widths: {host: wide}", "widths.host: 'wide' is not"),
        ("colums: [host]", "colums: no such key; there are columns and widths"),
        ("- host", "is not a mapping"),
        ("columns: [", "is not YAML: "),
        ("columns: 2026-13-45", "is not YAML: month"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(text: str, wrong: str) -> None:
    path = written(text)
    with pytest.raises(ColumnsError) as caught:
        column_file.load()
    assert str(caught.value).startswith(f"{path}: ")
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_document_shows_a_file_and_names_every_column() -> None:
    text = (Path(__file__).parents[2] / "docs" / "keys.md").read_text().partition("## Columns")[2]
    written(text.partition("```yaml\n")[2].partition("```")[0])
    layout = column_file.load()
    assert layout.chosen[:2] == ("state", "time")
    assert layout.widths == {"host": 30}
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("in the way")
    with pytest.raises(ColumnsError, match=r"columns\.yaml: the columns cannot be saved: "):
        column_file.save(Layout())

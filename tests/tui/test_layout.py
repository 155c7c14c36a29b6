"""Which columns have room, and how wide each is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap_tui.columns import COLUMNS, row
from qtap_tui.layout import MOST, Layout
from qtap_tui.text import cells
from tests.tui.hostile import hostile

NAMES = st.sampled_from(sorted(COLUMNS))
LAYOUTS = st.builds(Layout, st.lists(NAMES, unique=True), st.dictionaries(NAMES, st.integers(1, MOST)))


def needed(layout: Layout, width: int) -> int:
    return sum(cells + 1 for _, cells in layout.fitted(width))


@given(LAYOUTS, st.integers(0, 300), st.integers(0, 20))
def test_columns_are_never_wider_than_the_screen(layout: Layout, width: int, number: int) -> None:
    fitted = layout.fitted(width)
    assert fitted
    assert needed(layout, width) <= max(width, 1)
    assert sum(cells(text) for _, text in row(hostile(number), fitted, 0)) == needed(layout, width)


@given(LAYOUTS, st.integers(4, 300), st.lists(st.tuples(NAMES, st.integers(-5, 5)), max_size=20))
def test_resizing_takes_no_column_away_and_stays_on_the_screen(
    layout: Layout, width: int, steps: list[tuple[str, int]]
) -> None:
    shown = [name for name, _ in layout.fitted(width)]
    for name, step in steps:
        if name in shown:
            before = dict(layout.fitted(width))[name]
            layout = layout.resize(name, step, width)
            after = dict(layout.fitted(width))[name]
            assert before <= after <= before + step if step >= 0 else min(before, 1) <= after <= before
            assert set(shown) <= {name for name, _ in layout.fitted(width)}
            assert needed(layout, width) <= width


@given(LAYOUTS, st.integers(40, 300))
def test_chosen_columns_stand_in_their_order_those_that_matter_least_left_out(layout: Layout, width: int) -> None:
    shown = [name for name, _ in layout.fitted(width)]
    if layout.chosen:
        assert [name for name in layout.chosen if name in shown] == shown
        assert "path" in shown or "path" not in layout.chosen


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (78, "state direction method status host path process size duration"),
        (138, "state time direction method status host path type process size duration"),
    ],
)
def test_without_a_choice_there_are_as_many_as_have_room(width: int, shown: str) -> None:
    assert [name for name, _ in Layout().fitted(width)] == shown.split()


def test_what_one_column_takes_the_one_without_a_width_gives() -> None:
    layout = Layout()
    host, path = (dict(layout.fitted(78))[name] for name in ("host", "path"))
    for _ in range(100):
        layout = layout.resize("host", 1, 78)
    assert dict(layout.fitted(78))["path"] == 4
    assert dict(layout.fitted(78))["host"] == host + path - 4
    assert layout.resize("host", 1, 78) is layout
    layout = Layout().resize("path", -5, 78)
    assert dict(layout.fitted(78)) | {"host": 0} == dict(Layout().fitted(78)) | {"host": 0, "path": path - 5}
    assert dict(layout.fitted(78))["host"] == host + 5


def test_on_a_narrower_screen_wide_columns_give_back_before_others_are_left_out() -> None:
    layout = Layout(("host", "path", "process"), {"host": 100, "process": 60})
    assert layout.fitted(200) == (("host", 100), ("path", 37), ("process", 60))
    assert layout.fitted(80) == (("host", 15), ("path", 4), ("process", 58))
    assert layout.fitted(30) == (("host", 15), ("path", 13))

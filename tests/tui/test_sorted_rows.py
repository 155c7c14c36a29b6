"""Rows in the order of a key, whatever comes, moves and goes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qtap_tui import sorted_rows
from qtap_tui.sorted_rows import SortedRows


def order(rows: SortedRows) -> list[int]:
    return [rows.number(position) for position in range(len(rows))]


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    """Few rows are enough for blocks to be cut and joined."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sorted_rows, "_MOST", 8)
    patch.setattr(sorted_rows, "_FEW", 3)
    yield
    patch.undo()


class AnyOrder(RuleBasedStateMachine):
    """Compared with `sorted` after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = SortedRows(0)
        self.keys: dict[int, int] = {}
        self.first = self.end = 0

    @rule(keys=st.lists(st.integers(0, 9), max_size=40))
    def arrive(self, keys: list[int]) -> None:
        for key in keys:
            self.rows.put(self.end, key)
            self.keys[self.end] = key
            self.end += 1

    @rule(data=st.data(), key=st.integers(0, 9))
    def move(self, data: st.DataObject, key: int) -> None:
        if self.keys:
            number = data.draw(st.sampled_from(sorted(self.keys)))
            self.rows.put(number, key)
            self.keys[number] = key

    @rule(gone=st.integers(0, 60))
    def drop(self, gone: int) -> None:
        self.first = min(self.first + gone, self.end)
        self.rows.drop_before(self.first)
        self.keys = {number: key for number, key in self.keys.items() if number >= self.first}

    @rule(number=st.integers(0, 30))
    def come_too_late(self, number: int) -> None:
        if number < self.first:
            self.rows.put(number, 5)

    @invariant()
    def stands_as_sorted(self) -> None:
        wanted = sorted(self.keys, key=lambda number: (self.keys[number], number))
        assert order(self.rows) == wanted
        assert [self.rows.position(number) for number in wanted] == list(range(len(wanted)))
        assert self.rows.position(self.end) is None
        assert len(self.rows._blocks) <= len(wanted)  # noqa: SLF001 - what is dropped takes no memory


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_what_nobody_asks_for_any_more_is_freed_piece_by_piece() -> None:
    rows = SortedRows(0)
    for number in range(100):
        rows.put(number, 0)
    steps = 1
    while rows.discard():
        steps += 1
    assert steps >= 100 // 8
    assert len(rows) == 0
    assert rows._blocks == []  # noqa: SLF001 - what is freed takes no memory


def test_what_is_dropped_takes_no_memory() -> None:
    """As rows come and go at the limit of memory, blocks neither pile up nor stay behind empty."""
    rows, chance = SortedRows(0), random.Random(1)  # noqa: S311 - the same every time
    for number in range(5000):
        rows.put(number, chance.random())
        rows.drop_before(number - 99)
    assert len(rows) == 100
    assert len(rows._blocks) <= 100  # noqa: SLF001 - what is dropped takes no memory
    assert len(rows._entries) == 100  # noqa: SLF001

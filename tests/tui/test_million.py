"""A million rows: what is done depends on what is seen, never on how many there are. Counted, not timed."""

from __future__ import annotations

import pytest

from qtap.flow.log import TransactionLog
from qtap.model import Transaction
from qtap_tui import columns
from tests.tui.driver import SMALL, running
from tests.tui.synthetic import SyntheticFeed, mixture, transaction

MILLION = 1_000_000


@pytest.fixture(scope="module")
def million() -> SyntheticFeed:
    """A log of a million rows, which share a few transactions: the list knows rows by number."""
    log, kinds = TransactionLog(1 << 62), [mixture(number) for number in (0, 1, 2, 3, 4, 5, 0)]
    kinds[5] = transaction(5, target="/needle", status=503)
    for number in range(MILLION):
        log.add(kinds[number % 7])
    return SyntheticFeed(log=log)


class Counter:
    """Counts rows that are made into cells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        self._real = columns.row
        monkeypatch.setattr(columns, "row", self._row)

    def _row(self, made: Transaction, fitted: columns.Fitted, now: int) -> list[tuple[str, str]]:
        self.rows += 1
        return self._real(made, fitted, now)


async def test_scrolling_and_jumping_make_only_the_rows_that_are_seen(
    million: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(million) as screen:
        while screen.requests.view.end < MILLION:
            screen.look()
        await screen.press("escape")
        assert "1,000,000 rows" in screen.status
        made = Counter(monkeypatch)
        for keys, number in ((("g",), 0), (("pagedown",), 20), (("G",), MILLION - 1), (("pageup",), MILLION - 21)):
            made.rows = 0
            await screen.press(*keys)
            assert screen.list.cursor == number
            assert made.rows <= 2 * SMALL[1]


async def test_a_step_of_the_cursor_makes_two_rows(million: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(million) as screen:
        while screen.requests.view.end < MILLION:
            screen.look()
        await screen.press("g")
        made = Counter(monkeypatch)
        await screen.press("j")
        assert made.rows == 2


async def test_growth_costs_nothing_while_the_list_stands(million: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(million) as screen:
        while screen.requests.view.end < MILLION:
            screen.look()
        await screen.press("g")
        made = Counter(monkeypatch)
        laid_out: list[object] = []
        monkeypatch.setattr(type(screen.requests), "_refresh_layout", lambda *_, **__: laid_out.append(1))
        for _ in range(5):
            for number in range(1000):
                million.log.add(mixture(7 * number))
            screen.look()
            await screen.pilot.pause()
        assert made.rows == 0
        assert laid_out == []
        assert "5,000 new" in screen.status


async def test_a_filter_searches_a_million_rows_in_slices(million: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(million) as screen:
        slices: list[int] = []
        view = screen.requests.view
        while view.end < million.log.end:
            screen.look()
        real = view.search

        def search(budget: int) -> bool:
            slices.append(budget)
            return real(budget)

        monkeypatch.setattr(view, "search", search)
        await screen.press("slash", *"path:needle")
        await screen.found()
        assert len(slices) > 10
        assert len(view) == MILLION // 7 + (MILLION % 7 > 5)
        assert "of 1,0" in screen.status
        await screen.press("enter", "g")
        assert screen.list.cursor == 5
        await screen.press("G")
        assert screen.list.cursor == view.number(len(view) - 1)


async def test_a_key_is_obeyed_between_two_slices(million: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(million) as screen:
        slices: list[int] = []
        view = screen.requests.view
        while view.end < million.log.end:
            screen.look()
        await screen.press("slash")
        real = view.search

        def search(budget: int) -> bool:
            slices.append(1)
            if len(slices) == 1:
                screen.app.simulate_key("escape")
            return real(budget)

        monkeypatch.setattr(view, "search", search)
        await screen.press("n")
        assert 1 < len(slices) < 20
        assert not view.words

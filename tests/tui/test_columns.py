"""Sorting, choosing and resizing columns, as a user does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtap_tui import column_file
from qtap_tui.columns import COLUMNS
from qtap_tui.layout import Layout
from qtap_tui.screens.columns import ColumnsScreen
from tests.tui.driver import LARGE, NOW, SMALL, Driver, running
from tests.tui.synthetic import MS, SyntheticFeed, mixture, transaction

WIDE = (200, 50)


def timed(*took: int) -> SyntheticFeed:
    return SyntheticFeed().fill(
        len(took), lambda number: transaction(number, target=f"/took/{took[number]}", took=took[number] * MS)
    )


def titles(screen: Driver) -> list[str]:
    return screen.lines()[0].split()


def paths(screen: Driver) -> list[int]:
    """Give the numbers in the paths shown, from the top."""
    return [int(line.partition("/took/")[2].split()[0]) for line in screen.lines()[:-3] if "/took/" in line]


async def sorted_by(screen: Driver, *keys: str) -> list[int]:
    await screen.press(*keys)
    await screen.found()
    return paths(screen)


async def test_s_sorts_by_duration_the_slowest_first_then_the_other_way_then_no_more() -> None:
    async with running(timed(5, 900, 30)) as screen:
        assert await sorted_by(screen, "s") == [900, 30, 5]
        assert titles(screen)[-1] == "took▼"
        assert "sorted by took ▼, following the top" in screen.status
        assert await sorted_by(screen, "s") == [5, 30, 900]
        assert titles(screen)[-1] == "took▲"
        assert await sorted_by(screen, "s") == [5, 900, 30]
        assert titles(screen)[-1] == "took"
        assert "  following  " in screen.status


async def test_any_column_sorts_both_ways() -> None:
    feed = SyntheticFeed().fill(30)
    async with running(feed, WIDE) as screen:
        await screen.press("escape")
        view = screen.requests.view
        for name, column in COLUMNS.items():
            await screen.press("l")
            key = column.key or (lambda _row, _now: 0)
            for greatest_first in (column.greatest_first, not column.greatest_first):
                await screen.press("s")
                await screen.found()
                rows = sorted(feed.log.rows(0, 30), key=lambda one: (key(one[1], NOW), one[0]), reverse=greatest_first)
                assert [view.number(position) for position in range(30)] == [number for number, _ in rows], name
                fourth = screen.lines()[1 + 3]
                assert str(rows[3][1].status or "···") in fourth
                assert rows[3][1].target[:14] in fourth


async def test_new_rows_come_into_their_place_and_the_selection_stays_on_its_request() -> None:
    feed = timed(*range(100, 140))
    async with running(feed) as screen:
        await screen.press("escape", "up", "up", "up")
        cursor = screen.list.cursor
        await screen.press("s")
        await screen.found()
        assert screen.list.cursor == cursor
        assert any("/took/136 " in line and line.startswith("▌") for line in screen.lines())
        line = next(y for y, line in enumerate(screen.lines()) if line.startswith("▌"))
        for took in (500, 1, 137, 135):
            feed.log.add(transaction(50, target=f"/took/{took}", took=took * MS))
        screen.look()
        await screen.pilot.pause()
        assert screen.lines()[line].startswith("▌")
        assert paths(screen)[line - 3 : line + 2] == [137, 137, 136, 135, 135]
        assert " 4 new ↑ g " in screen.status
        assert "sorted by took ▼" in screen.status
        await screen.press("g")
        assert paths(screen)[:3] == [500, 139, 138]
        assert "following the top" in screen.status


async def test_the_top_of_the_order_is_followed_until_the_user_moves() -> None:
    feed = timed(10, 30, 20)
    async with running(feed) as screen:
        assert await sorted_by(screen, "s") == [30, 20, 10]
        feed.log.add(transaction(3, target="/took/40", took=40 * MS))
        await screen.press("x")
        assert screen.lines()[1].startswith("▌")
        assert paths(screen) == [40, 30, 20, 10]
        await screen.press("j")
        assert "following" not in screen.status
        feed.log.add(transaction(4, target="/took/50", took=50 * MS))
        await screen.press("x")
        assert next(line for line in screen.lines() if line.startswith("▌")).count("/took/30 ") == 1
        await screen.press("f")
        assert "following the top" in screen.status
        await screen.press("f")
        assert "following" not in screen.status
        await screen.press("G")
        assert "/took/10 " in next(line for line in screen.lines() if line.startswith("▌"))
        assert "following" not in screen.status


async def test_by_time_the_newest_stand_first() -> None:
    async with running(timed(1, 2, 3), LARGE) as screen:
        assert await sorted_by(screen, "l", "l", "s") == [3, 2, 1]
        assert titles(screen)[0] == "time▼"
        assert await sorted_by(screen, "s") == [1, 2, 3]
        assert titles(screen)[0] == "time"
        assert "  following  " in screen.status


async def test_a_live_row_stands_by_the_time_it_has_waited_so_far() -> None:
    feed = timed(10, 2000)
    waits = transaction(95, status=0, target="/took/5000", finished=False)
    feed.log.add(waits)
    async with running(feed) as screen:
        assert await sorted_by(screen, "s") == [5000, 2000, 10]
        whole = transaction(95, took=15 * MS)
        waits.response, waits.request, waits.status, waits.finished = whole.response, whole.request, 200, True
        await screen.press("x")
        assert paths(screen) == [2000, 5000, 10]


async def test_evicted_rows_leave_the_order() -> None:
    feed = timed(*range(100, 200))
    async with running(feed) as screen:
        await screen.press("s", "s")
        await screen.found()
        assert paths(screen)[0] == 100
        feed.log.limit = feed.log.used // 2
        feed.log.add(transaction(0, target="/took/7", took=7 * MS))
        screen.look()
        await screen.pilot.pause()
        assert feed.log.first > 40
        assert paths(screen)[:2] == [7, 100 + feed.log.first]
        assert len(screen.requests.view) == len(feed.log)


async def test_a_filter_and_an_order_go_together() -> None:
    async with running(timed(15, 25, 10, 35, 11)) as screen:
        await screen.press("s")
        assert await sorted_by(screen, "slash", *"path:/took/1", "enter") == [15, 11, 10]
        assert "3 of 5" in screen.status
        await screen.press("j")
        assert await sorted_by(screen, "escape") == [35, 25, 15, 11, 10]
        assert "/took/11 " in next(line for line in screen.lines() if line.startswith("▌"))


async def test_a_pause_holds_the_order() -> None:
    feed = timed(10, 20)
    async with running(feed) as screen:
        await screen.press("s", "p")
        feed.log.add(transaction(2, target="/took/30", took=30 * MS))
        await screen.press("x")
        assert paths(screen) == [20, 10]
        assert "PAUSED, 1 new" in screen.status
        await screen.press("p")
        assert paths(screen) == [30, 20, 10]


async def test_a_click_on_a_title_sorts() -> None:
    async with running(timed(5, 900, 30)) as screen:
        await screen.pilot.click("#heading", offset=(screen.lines()[0].index("took"), 0))
        await screen.found()
        assert paths(screen) == [900, 30, 5]
        await screen.pilot.click("#heading", offset=(screen.lines()[0].index("path") + 9, 0))
        await screen.found()
        assert paths(screen) == [30, 5, 900]


async def test_an_order_outlives_its_column() -> None:
    """The details beside the list leave it less room."""
    async with running(timed(5, 900, 30), LARGE) as screen:
        await screen.press("l", "l", "l", "l", "l", "l", "l", "l", "s", "enter")
        assert "sorted by type ▲" in screen.status
        assert "type" not in screen.lines()[0]


async def test_columns_are_made_wider_and_narrower_and_stay_so() -> None:
    async with running(timed(1)) as screen:
        before = screen.lines()[0].index("path")
        await screen.press("l", "l", "l", "l", "l", "less_than_sign", "less_than_sign")
        assert screen.lines()[0].index("path") == before - 2
        await screen.press("greater_than_sign")
        assert screen.lines()[0].index("path") == before - 1
        assert len(screen.lines()[0]) == SMALL[0]
        host = column_file.load().widths["host"]
    async with running(timed(1)) as screen:
        assert screen.lines()[0].index("path") == before - 1
        assert dict(screen.list.arrangement.layout.fitted(78))["host"] == host


async def test_the_marked_column_is_told_without_colour() -> None:
    async with running(timed(1)) as screen:

        def marked() -> list[str]:
            return [part.text.strip() for part in screen.strips()[0] if part.style and part.style.reverse]

        assert marked() == []
        await screen.press("h")
        assert marked() == ["took"]
        await screen.press("h", "h", "l")
        assert marked() == ["size"]
        await screen.press(*["l"] * 20)
        assert marked() == ["took"]


async def test_columns_are_chosen_and_ordered_and_kept() -> None:
    async with running(timed(1)) as screen:
        await screen.press("o")
        assert isinstance(screen.top_screen, ColumnsScreen)
        assert "as many as there is room for" in screen.text
        assert "▌[x] state" in screen.text
        assert "[ ] time" in screen.text
        await screen.press("space", "j", "space", "J", "J")
        assert "chosen" in screen.text
        await screen.press("enter")
        assert titles(screen)[:3] == ["method", "time", "st"]
        assert column_file.load().chosen == (
            "direction", "method", "time", "status", "host", "path", "process", "size", "duration",
        )  # fmt: skip
    async with running(timed(1)) as screen:
        assert titles(screen)[:3] == ["method", "time", "st"]
        await screen.press("o", "a")
        assert column_file.load().chosen == ()
        assert titles(screen)[:2] == ["method", "st"]


@pytest.mark.parametrize("key", ["escape", "q", "o"])
async def test_columns_stay_as_they_were_where_the_choice_is_left(key: str) -> None:
    async with running(timed(1)) as screen:
        before = titles(screen)
        await screen.press("o", "space", "j", "space", key)
        assert screen.top_screen is screen.requests
        assert titles(screen) == before
        await screen.press("o", "enter")
        assert titles(screen) == before
        assert not column_file.user_file().exists()


async def test_one_column_stays_shown() -> None:
    async with running(timed(1), WIDE) as screen:
        await screen.press("o", *["space", "j"] * len(COLUMNS), "enter")
        assert len(column_file.load().chosen) == 1
        assert len(titles(screen)) == 1


async def test_the_choice_can_be_seen_on_a_small_screen() -> None:
    async with running(timed(1), (50, 12)) as screen:
        await screen.press("o", "k")
        assert any("▌[" in line and "duration" in line for line in screen.lines())


async def test_a_wrong_file_is_told_in_one_sentence_and_left_alone() -> None:
    path = column_file.user_file()
    path.parent.mkdir(parents=True)
    path.write_text("columns: [hst]\n")
    async with running(timed(1), WIDE) as screen:
        assert f"{path}: columns: hst: no such column; did you mean host?" in screen.text
        assert titles(screen)[0] == "time"
        await screen.press("h", "less_than_sign")
        assert "not saved: " in screen.text
    assert path.read_text() == "columns: [hst]\n"


async def test_what_cannot_be_saved_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("in the way")
    async with running(timed(1), WIDE) as screen:
        await screen.press("h", "less_than_sign")
        assert "the columns cannot be saved" in screen.text


async def test_rows_painted_before_are_painted_anew_with_other_columns() -> None:
    async with running(SyntheticFeed().fill(20, mixture), WIDE) as screen:
        screen.list.arrangement.layout = Layout(("status", "path"))
        screen.list.arranged()
        await screen.pilot.pause()
        assert all("curl" not in line for line in screen.lines()[1:20])

"""Hostile bytes: whatever is captured, nothing that a terminal obeys is painted and nothing breaks the screen."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from qtap_tui.columns import COLUMNS
from tests.tui.driver import LARGE, SMALL, Driver, running
from tests.tui.hostile import TEXT, feed
from tests.tui.synthetic import SyntheticFeed, transaction


def check(screen: Driver) -> None:
    """Assert that what is painted is printable, and that every line is exactly as wide as the screen."""
    for strip in screen.strips():
        assert all(character.isprintable() for character in strip.text), repr(strip.text)
        assert cell_len(strip.text) == screen.app.size.width
        for segment in strip:
            assert segment.control is None
            assert not segment.style or not segment.style.link


@pytest.mark.parametrize("size", [SMALL, LARGE, (200, 50), (30, 8)])
async def test_every_pane_of_hostile_transactions_is_harmless(size: tuple[int, int]) -> None:
    async with running(feed(), size) as screen:
        check(screen)
        await screen.press("k", "enter")
        for _ in range(5):
            check(screen)
            for key in ("pagedown", "G", "v", "v", "l"):
                await screen.press(key)
                check(screen)
        assert screen.app.is_running


async def test_hostile_rows_are_sorted_by_every_column() -> None:
    async with running(feed().fill(10), (200, 50)) as screen:
        for name in COLUMNS:
            screen.list.sort(name)
            await screen.found()
            assert len(screen.requests.view) == 40
            check(screen)
            await screen.press("l")
            check(screen)


async def test_markup_is_shown_as_it_was_sent() -> None:
    one = SyntheticFeed().fill(1, lambda _: transaction(target="/[bold]x[/]", body=b"[red]body[/red]", headers=b""))
    async with running(one) as screen:
        assert "/[bold]x[/]" in screen.text
        await screen.press("enter", "h", "h")
        assert "[red]body[/red]" in screen.text


async def test_a_megabyte_in_one_line_hides_no_other_line() -> None:
    async with running(feed(), (100, 50)) as screen:
        await screen.press("enter", "z")
        for words in (("more, see Headers)", "Direction", "Received"), ("more, see Bytes)", "Content-Type: text/␛[31m")):
            view, pages = screen.detail.document_view, screen.text
            for _ in range(20):
                await screen.press("pagedown")
                pages += screen.text
            assert view.top == view.last_top
            assert [word for word in words if word not in pages] == []
            await screen.press("l")


async def test_hostile_filter_text_is_only_text() -> None:
    async with running(feed()) as screen:
        await screen.press("slash")
        screen.requests.query_one("Words").value = TEXT  # type: ignore[attr-defined]
        await screen.pilot.pause()
        screen.look()
        assert screen.app.is_running


async def test_a_click_on_hostile_text_does_nothing_but_choose() -> None:
    async with running(feed()) as screen:
        for x in range(0, 80, 7):
            await screen.pilot.click("#list", offset=(x, 2))
        await screen.press("escape")
        assert screen.app.is_running


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.text(max_size=100), st.integers(0, 2**31))
async def test_no_bytes_at_all_break_the_screen(raw: bytes, text: str, status: int) -> None:
    latin = raw.decode("latin-1")
    made = SyntheticFeed().fill(
        2,
        lambda number: transaction(
            number, method=latin, target=latin, host=text, status=status, body=raw, headers=raw, request_headers=raw
        ),
    )
    async with running(made, LARGE) as screen:
        await screen.press("enter", "l")
        check(screen)
        await screen.press("l", "l")
        check(screen)

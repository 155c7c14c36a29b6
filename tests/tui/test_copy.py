"""Copying and saving pieces of a request."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
from pathlib import Path

import msgspec
import pytest

from qtap_tui.piece import CannotCopyError, Kind, as_text, piece, save
from qtap_tui.screens.copy import CopyScreen
from tests.tui.driver import running
from tests.tui.synthetic import JSON, SyntheticFeed, transaction


@pytest.mark.parametrize(
    ("key", "expected"),
    [("u", "https://api.example.com/v1/orders?page=2"), ("b", JSON.decode())],
)
async def test_a_piece_goes_to_the_clipboard(key: str, expected: str) -> None:
    async with running(SyntheticFeed().fill(1, transaction)) as screen:
        await screen.press("y")
        assert isinstance(screen.top_screen, CopyScreen)
        await screen.press(key)
        assert not isinstance(screen.app.screen, CopyScreen)
        assert screen.app.clipboard == expected


async def test_a_command_is_copied_from_the_details_too() -> None:
    async with running(SyntheticFeed().fill(2, transaction)) as screen:
        await screen.press("k", "enter", "y", "c")
        assert screen.app.clipboard.startswith("curl ")
        assert "https://api.example.com/v1/orders?page=2" in screen.app.clipboard


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(("enter",), "curl "), (("down", "enter"), "https://api"), (("j", "j", "k", "enter"), "https://api"), (("up", "k"), "")],
)
async def test_the_menu_has_a_cursor(keys: tuple[str, ...], expected: str) -> None:
    async with running(SyntheticFeed().fill(1, transaction)) as screen:
        await screen.press("y")
        assert [line for line in screen.lines() if "▌c " in line]
        await screen.press(*keys)
        assert screen.app.clipboard.startswith(expected)
        assert isinstance(screen.top_screen, CopyScreen) is not bool(expected)
        assert bool(expected) or [line for line in screen.lines() if "▌B " in line]


async def test_a_click_on_a_line_of_the_menu_does_it() -> None:
    async with running(SyntheticFeed().fill(1, transaction)) as screen:
        await screen.press("y")
        at = next(y for y, line in enumerate(screen.lines()) if "Copy the URL" in line)
        await screen.pilot.click(offset=(20, at))
        await screen.pilot.pause()
        assert screen.app.clipboard.startswith("https://api")


async def test_what_was_done_is_said_in_the_status_line_and_goes_by_itself() -> None:
    feed = SyntheticFeed().fill(30, transaction)
    async with running(feed) as screen:
        await screen.press("escape")
        rows = screen.lines()[:-2]
        feed.engine = msgspec.structs.replace(feed.engine, losses={"ring": 7})
        await screen.press("y", "u")
        assert screen.status.startswith(" ● LIVE   LOST ring 7   sent the URL to the terminal's clipboard (40 bytes)")
        assert screen.lines()[:-2] == rows
        screen.requests._said_until = 0  # noqa: SLF001 - six seconds later
        screen.look()
        await screen.pilot.pause()
        assert "sent" not in screen.text


async def test_what_was_done_leaves_the_pause_and_the_count_of_a_filter_to_be_read() -> None:
    async with running(SyntheticFeed().fill(30, transaction)) as screen:
        await screen.press("p", "slash", "e", "x", "enter")
        await screen.found()
        await screen.press("y", "u")
        assert "PAUSED" in screen.status
        assert "30 of 30" in screen.status
        assert "sent the URL" in screen.text


async def test_what_is_too_long_for_the_status_line_is_said_above_it() -> None:
    async with running(SyntheticFeed().fill(1, lambda n: transaction(n, body=b"x" * 80_000))) as screen:
        await screen.press("escape", "y", "b")
        assert "saveitwiththecapitalletter" in "".join(screen.text.split())
        assert "following" in screen.status


async def press_save_twice() -> None:
    async with running(SyntheticFeed().fill(1, transaction)) as screen:
        await screen.press("y", "C")
        await screen.press("y", "C")
        assert "exists" in screen.text


def test_a_piece_is_saved_for_its_owner_only_and_never_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(press_save_twice())
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    subprocess.run(["bash", "-n", str(path)], check=True)


async def test_nothing_happens_without_a_request() -> None:
    async with running(SyntheticFeed()) as screen:
        await screen.press("y")
        assert screen.top_screen is screen.requests


async def test_leaving_copies_nothing() -> None:
    async with running(SyntheticFeed().fill(1, transaction)) as screen:
        await screen.press("y", "q")
        assert screen.top_screen is screen.requests
        assert screen.app.clipboard == ""


def test_a_body_leaves_without_its_content_coding_and_says_what_is_missing() -> None:
    packed = gzip.compress(b"a word\n" * 50)
    headers = b"Content-Encoding: gzip\r\n"
    found = piece(transaction(body=packed, headers=headers), "response")
    assert found.data == b"a word\n" * 50
    assert "gzip" in found.note
    cut = transaction(body=b"half", finished=False)
    assert piece(cut, "response").note == "so far"
    cut.finished = True
    assert piece(cut, "response").note == "cut"


@pytest.mark.parametrize(("body", "why"), [(b"\xff\xfe\x00", "not UTF-8"), (b"x" * 80_000, "longer than")])
def test_what_a_clipboard_cannot_take_is_refused_and_can_be_saved(body: bytes, why: str, tmp_path: Path) -> None:
    found = piece(transaction(body=body), "response")
    with pytest.raises(CannotCopyError, match=why):
        as_text(found)
    assert save(found, "t1", tmp_path).read_bytes() == body


@pytest.mark.parametrize("kind", ["request", "response"])
def test_an_empty_body_is_refused(kind: Kind) -> None:
    with pytest.raises(CannotCopyError, match="empty"):
        piece(transaction(body=b""), kind)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotCopyError, match="cannot write"):
        save(piece(transaction(), "url"), "t1", tmp_path / "missing")

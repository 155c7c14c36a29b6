"""The Requests screen: every action, as a user does it."""

from __future__ import annotations

import gc
import warnings

import msgspec
import pytest
from textual.timer import Timer, TimerCallback
from textual.widgets import Input

from qtap.flow.log import TransactionLog
from qtap.flow.state import EngineState
from qtap_tui.hint import HINT
from qtap_tui.screens.confirm import ConfirmScreen
from qtap_tui.screens.help import HelpScreen
from qtap_tui.screens.requests import RequestsScreen
from qtap_tui.widgets.filter_bar import FilterBar
from qtap_tui.words import parse
from tests.tui.driver import LARGE, SMALL, make_app, running
from tests.tui.synthetic import NGINX, SyntheticFeed, transaction


def numbered(count: int) -> SyntheticFeed:
    return SyntheticFeed().fill(count, lambda number: transaction(number, target=f"/row/{number}"))


async def test_rows_appear_as_the_log_grows_and_the_newest_is_followed() -> None:
    feed = numbered(3)
    async with running(feed) as screen:
        assert "/row/2" in screen.text
        feed.fill(100, lambda number: transaction(number, target=f"/row/{number}"))
        screen.look()
        await screen.pilot.pause()
        assert "/row/102" in screen.text
        assert "/row/2 " not in screen.text
        assert "following" in screen.status
        assert "103 rows" in screen.status


async def test_nothing_is_painted_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(numbered(50)) as screen:
        painted: list[int] = []
        monkeypatch.setattr(screen.list, "line", lambda y, _width: painted.append(y))
        for _ in range(5):
            screen.look()
            await screen.pilot.pause()
        assert painted == []


async def test_a_live_row_is_completed_in_place_and_only_its_line_is_painted() -> None:
    feed = numbered(5)
    late = transaction(5, status=0, target="/late", finished=False)
    feed.log.add(late)
    feed.fill(5, lambda number: transaction(number, target=f"/row/{number}"))
    async with running(feed) as screen:
        line = next(line for line in screen.lines() if "/late" in line)
        assert "●" in line
        assert "···" in line
        assert " 95s" in line or "1m35s" in line
        painted: list[int] = []
        real = screen.list.render_line
        screen.list.render_line = lambda y: painted.append(y) or real(y)  # type: ignore[method-assign,func-returns-value]
        whole = transaction(5)
        late.response, late.status, late.finished = whole.response, 200, True
        screen.look()
        await screen.pilot.pause()
        line = next(line for line in screen.lines() if "/late" in line)
        assert " 200 " in line
        assert "12ms" in line
        assert "●" not in line
        assert painted == [5]


@pytest.mark.parametrize("keys", [("up",), ("k",), ("pageup",), ("ctrl+b",), ("ctrl+u",), ("g",), ("home",), ("f",)])
async def test_moving_up_stops_following_and_counts_what_is_new(keys: tuple[str, ...]) -> None:
    feed = numbered(100)
    async with running(feed) as screen:
        await screen.press(*keys)
        before = screen.lines()[1:20]
        feed.fill(7, lambda number: transaction(number, target=f"/row/{number}"))
        screen.look()
        await screen.pilot.pause()
        assert " 7 new ↓ G " in screen.status
        assert [line[:-1] for line in screen.lines()[1:20]] == [line[:-1] for line in before]


@pytest.mark.parametrize("key", ["G", "end", "f"])
async def test_the_end_follows_again(key: str) -> None:
    feed = numbered(100)
    async with running(feed) as screen:
        await screen.press("g")
        feed.fill(1, lambda _: transaction(target="/newest"))
        await screen.press(key)
        assert "/newest" in screen.text
        assert "following" in screen.status


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        (("g",), 0),
        (("g", "down"), 1),
        (("g", "j", "j"), 2),
        (("g", "j", "k"), 0),
        (("g", "pagedown"), 20),
        (("g", "ctrl+f", "ctrl+b"), 0),
        (("g", "space"), 20),
        (("g", "ctrl+d"), 10),
        (("g", "ctrl+d", "ctrl+u"), 0),
        (("G", "k"), 98),
        (("up",) * 5, 94),
    ],
)
async def test_the_cursor_moves_as_in_vim_and_with_arrows(keys: tuple[str, ...], row: int) -> None:
    async with running(numbered(100)) as screen:
        await screen.press("escape", *keys)  # the first key takes the hint away, so that the list has 21 lines
        assert screen.list.cursor == row
        assert sum(line.startswith("▌") for line in screen.lines()) == 1
        assert f"/row/{row} " in next(line for line in screen.lines() if line.startswith("▌"))


async def test_the_list_stands_still_in_a_pause_while_capture_goes_on() -> None:
    feed = numbered(3)
    async with running(feed) as screen:
        await screen.press("p")
        feed.fill(4)
        screen.look()
        await screen.pilot.pause()
        assert "PAUSED, 4 new" in screen.status
        assert "7 rows" in screen.status
        assert sum(bool(line.strip()) for line in screen.lines()[1:-2]) == 3
        await screen.press("p")
        assert "following" in screen.status
        assert sum(bool(line.strip()) for line in screen.lines()[1:-2]) == 7


async def test_clear_asks_once_and_forgets_everything() -> None:
    feed = numbered(10)
    async with running(feed) as screen:
        await screen.press("c")
        assert isinstance(screen.app.screen, ConfirmScreen)
        assert "Forget all 10 captured requests?" in screen.text
        await screen.press("n")
        assert len(feed.log) == 10
        await screen.press("c", "y")
        assert feed.cleared == 1
        assert "0 rows" in screen.status
        await screen.press("c")
        assert not isinstance(screen.app.screen, ConfirmScreen)


async def test_a_filter_is_applied_as_it_is_typed_and_counts_its_matches() -> None:
    feed = numbered(30)
    feed.log.add(transaction(30, target="/other", process=NGINX))
    async with running(feed) as screen:
        await screen.press("slash", *"row/1")
        assert "11 of 31" in screen.status
        await screen.press("5")
        assert "1 of 31" in screen.status
        assert "/row/15" in screen.text
        await screen.press("backspace", "backspace", "backspace", "space", *"curl")
        assert "30 of 31" in screen.status
        await screen.press("enter")
        assert screen.focused is screen.list
        assert "/ row curl" in screen.text
        feed.fill(1, lambda _: transaction(target="/row/new"))
        screen.look()
        await screen.pilot.pause()
        assert "31 of 32" in screen.status


@pytest.mark.parametrize("leave", [("escape",), ("enter", "escape"), ("enter", "q")])
async def test_escape_clears_the_filter(leave: tuple[str, ...]) -> None:
    async with running(numbered(30)) as screen:
        await screen.press("slash", *"row/1", *leave)
        assert "30 rows" in screen.status
        assert screen.focused is screen.list
        assert not screen.requests.query_one("#filter").display
        await screen.press("slash")
        assert screen.requests.query_one(Input).value == ""


async def test_the_row_under_the_cursor_is_on_the_screen_when_the_others_come_back() -> None:
    async with running(numbered(500)) as screen:
        await screen.press("slash", *"row/27", "enter", "up", "up", "escape")
        assert any("/row/27" in line and line.startswith("▌") for line in screen.lines())


async def test_keys_typed_into_the_filter_do_nothing_else() -> None:
    async with running(numbered(3)) as screen:
        await screen.press("slash", *"qpcfzt1:?GgjkJK")
        assert screen.requests.query_one(Input).value == "qpcfzt1:?GgjkJK"
        assert "no request matches the filter" in screen.text
        assert screen.app.is_running


async def test_help_shows_every_key_and_goes_away() -> None:
    async with running(numbered(3), LARGE) as screen:
        for leave in ("question_mark", "escape", "q"):
            await screen.press("question_mark")
            assert isinstance(screen.app.screen, HelpScreen)
            assert "Let the list stand still" in screen.text
            await screen.press(leave)
            assert screen.top_screen is screen.requests


async def test_the_number_of_the_screen_comes_back_to_it() -> None:
    async with running(numbered(3)) as screen:
        await screen.press("question_mark", "1")
        assert screen.top_screen is screen.requests


async def test_q_goes_back_step_by_step_and_then_out() -> None:
    async with running(numbered(30)) as screen:
        await screen.press("slash", *"row", "enter", "enter")
        assert screen.detail.display
        await screen.press("q")
        assert not screen.detail.display
        assert "30 of 30" in screen.status
        await screen.press("q")
        assert "30 rows" in screen.status
        await screen.pilot.press("q")
        await screen.pilot.pause()
        assert screen.app.return_code == 0
        assert not screen.app.is_running


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
async def test_leaving_keys_leave_from_anywhere(key: str) -> None:
    async with running(numbered(3)) as screen:
        await screen.press("slash", "x")
        await screen.pilot.press(key)
        await screen.pilot.pause()
        assert not screen.app.is_running


async def test_escape_never_leaves() -> None:
    async with running(numbered(3)) as screen:
        await screen.press("escape", "escape", "escape")
        assert screen.app.is_running


async def test_evicted_rows_leave_without_moving_what_is_read() -> None:
    feed = numbered(200)
    async with running(feed) as screen:
        await screen.press(*["pageup"] * 4)
        before = [line[:-1] for line in screen.lines()[1:20]]
        feed.log.limit = feed.log.used - 50_000
        feed.fill(1)
        screen.look()
        await screen.pilot.pause()
        assert feed.log.first > 30
        assert [line[:-1] for line in screen.lines()[1:20]] == before
        feed.log.limit = 5000
        feed.fill(1)
        screen.look()
        await screen.pilot.pause()
        assert f"{len(feed.log)} rows" in screen.status
        assert "/row/1" not in screen.text


async def test_losses_are_loud_and_named_by_place() -> None:
    feed = numbered(3)
    async with running(feed, LARGE) as screen:
        assert "LOST" not in screen.status
        feed.engine = msgspec.structs.replace(feed.engine, losses={"ring": 1234, "store": 2, "parser": 0, "log": 5})
        screen.look()
        await screen.pilot.pause()
        assert "LOST ring 1,234 store 2" in screen.status
        assert "5 dropped" in screen.status


async def test_a_small_screen_shows_a_problem_and_losses_before_the_probes() -> None:
    feed = numbered(3)
    message = "recording to /var/tmp/a.jsonl.zst, 112 probes in libssl.so.3, libssl.so.1.1, libssl3.so"
    problem = "recording stopped: No space left on device"
    feed.engine = msgspec.structs.replace(feed.engine, message=message, problem=problem, losses={"ring": 1234})
    async with running(feed) as screen:
        assert screen.status.startswith(" ● LIVE  ✗ recording stopped: No space left on device   LOST ring 1,234 ")
        assert len(screen.status) == SMALL[0]
        feed.engine = msgspec.structs.replace(feed.engine, problem="", losses={})
        screen.look()
        await screen.pilot.pause()
        assert "0/s  following  3 rows" in screen.status
        assert screen.status.rstrip().endswith("MiB  recording to a.jsonl.zst +3")
        for message, shown in (
            ("7 probes in /usr/lib/a.so, /lib/b.so, /opt/libc.so.6", "7 probes in a.so, b.so +1"),
            ("54 probes in /usr/lib/x86_64-linux-gnu/libgnutls.so.30.34.3, /lib/b.so", "  54 probes"),
        ):
            feed.engine = msgspec.structs.replace(feed.engine, message=message)
            screen.look()
            await screen.pilot.pause()
            assert screen.status.rstrip().endswith(shown)


async def test_losses_are_counted_anew_when_the_list_is_cleared() -> None:
    feed = numbered(3)
    feed.engine = msgspec.structs.replace(feed.engine, losses={"ring": 12, "log": 5})
    async with running(feed) as screen:
        assert "LOST ring 12" in screen.status
        await screen.press("c", "y")
        assert "LOST" not in screen.status
        assert "dropped" not in screen.status
        feed.engine = msgspec.structs.replace(feed.engine, losses={"ring": 15, "reader": 1})
        screen.look()
        await screen.pilot.pause()
        assert "LOST reader 1 ring 3" in screen.status
        await screen.press("c")
        assert "LOST" not in screen.status


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1:38443", "127.0.0.1:38443"),
        ("orders.internal.example.com:8443", "order….com:8443"),
        ("orders.internal.example.com", "orders.…ple.com"),
        ("[2001:db8::17]:50051", "[200…:17]:50051"),
    ],
)
async def test_a_small_screen_shows_the_port_of_each_host(host: str, shown: str) -> None:
    async with running(SyntheticFeed().fill(1, lambda number: transaction(number, host=host))) as screen:
        assert f" {shown} " in screen.text


async def test_a_pause_says_how_many_rows_left_meanwhile() -> None:
    row = transaction()
    feed = SyntheticFeed(log=TransactionLog(10 * row.cost + 5)).fill(10, transaction)
    async with running(feed) as screen:
        await screen.press("p")
        assert "gone" not in screen.status
        feed.fill(4, transaction)
        screen.look()
        await screen.pilot.pause()
        assert "PAUSED, 4 new, 4 gone" in screen.status


async def test_the_footer_says_what_q_does() -> None:
    async with running(numbered(3)) as screen:
        assert "q Quit" in screen.lines()[-1]
        await screen.press("enter")
        assert "q Back" in screen.lines()[-1]
        await screen.press("q", "slash", "1", "enter")
        assert "q Back" in screen.lines()[-1]
        await screen.press("q")
        assert "q Quit" in screen.lines()[-1]


async def test_memory_is_shown_with_its_limit() -> None:
    feed = SyntheticFeed(engine=EngineState("live", "", memory_used=34 << 20, memory_limit=256 << 20))
    async with running(feed) as screen:
        assert "mem 34/256 MiB" in screen.status


async def test_the_screen_stands_before_the_engine_does_and_tells_its_failure() -> None:
    feed = SyntheticFeed(engine=EngineState("starting", "setting probes"))
    async with running(feed) as screen:
        assert "starting: setting probes" in screen.text
        assert "STARTING" in screen.status
        sentence = (
            "not root, so the kernel refuses: start it as `sudo qtap-tui`, or see `qtap-tui doctor` for all that is missing"
        )
        feed.engine = EngineState("failed", sentence)
        screen.look()
        await screen.pilot.pause()
        assert sentence in " ".join(screen.text.split())
        assert "FAILED" in screen.status
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, HelpScreen)


@pytest.mark.parametrize(
    ("phase", "word", "line"),
    [("live", "LIVE", "waiting for the first request"), ("replay", "REPLAY", "waiting"), ("ended", "ENDED", "no requests")],
)
async def test_each_phase_has_its_word(phase: str, word: str, line: str) -> None:
    async with running(SyntheticFeed(engine=msgspec.convert({"phase": phase, "message": ""}, EngineState))) as screen:
        assert word in screen.status
        assert line in screen.text


async def test_the_first_start_shows_one_line_until_the_first_key() -> None:
    async with running(numbered(3)) as screen:
        assert f"all HTTP(S) on web1 · {HINT}" in screen.text
        await screen.press("j")
        assert HINT not in screen.text


async def test_the_first_line_says_what_the_command_line_chose() -> None:
    app = make_app(numbered(3), title="traffic of nginx")
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()  # noqa: SLF001 - what is on the screen
        assert any(f"traffic of nginx · {HINT}" in strip.text for strip in strips)


async def test_the_first_line_stays_one_line_whatever_was_chosen() -> None:
    app = make_app(numbered(3), title="HTTP(S) of pid 1234567, 2345678, exe /usr/sbin/nginx")
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()  # noqa: SLF001 - what is on the screen
        assert strips[-3].text.rstrip() == f" HTTP(S) of pid 1234567… · {HINT}"


async def test_the_engine_is_started_once_the_first_picture_stands() -> None:
    seen: list[bool] = []
    app = make_app(numbered(3))
    app._on_ready = lambda: seen.append("/row/2" in "".join(s.text for s in app.screen._compositor.render_strips()))  # noqa: SLF001 - what is on the screen
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
    assert seen == [True]


async def test_the_mouse_scrolls_chooses_opens_and_pulls_the_bar() -> None:
    async with running(numbered(100)) as screen:
        await screen.press("escape")
        await screen.pilot.click("#list", offset=(20, 4))
        assert screen.list.cursor == 83
        await screen.pilot.click("#list", offset=(20, 4), times=2)
        assert screen.detail.display
        await screen.press("q")
        await screen.pilot.mouse_down("#list", offset=(79, 0))
        await screen.pilot.mouse_up("#list", offset=(79, 0))
        screen.look()
        await screen.pilot.pause()
        assert "/row/0 " in screen.text
        assert "not following" in screen.status


@pytest.mark.parametrize(("variable", "seconds"), [("SSH_TTY", 0.2), ("SSH_CONNECTION", 0.2), ("TERM", 0.1)])
async def test_over_ssh_it_looks_at_the_log_half_as_often(
    variable: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []
    real = RequestsScreen.set_interval

    def set_interval(screen: RequestsScreen, interval: float, callback: TimerCallback, **named: bool) -> Timer:
        intervals.append(interval)
        return real(screen, interval, callback, pause=named.get("pause", False))

    monkeypatch.setattr(RequestsScreen, "set_interval", set_interval)
    monkeypatch.setenv(variable, "something")
    async with running(numbered(3)):
        assert intervals[0] == seconds


async def test_both_ends_of_a_local_exchange_are_marked() -> None:
    async with running(SyntheticFeed().fill(5)) as screen:
        assert sum("⇄" in line for line in screen.lines()) == 2


async def test_an_incomplete_row_has_its_sign() -> None:
    feed = SyntheticFeed().fill(1, lambda _: transaction(target="/cut", incomplete=("response_body_cut",)))
    async with running(feed) as screen:
        line = next(line for line in screen.lines() if "/cut" in line)
        assert line.startswith("▌! ")


@pytest.mark.parametrize(
    ("size", "titles"),
    [
        ((60, 20), ["method", "st", "host", "path", "took"]),
        ((80, 24), ["method", "st", "host", "path", "process", "size", "took"]),
        ((100, 30), ["time", "method", "st", "host", "path", "process", "size", "took"]),
        ((140, 45), ["time", "method", "st", "host", "path", "type", "process", "size", "took"]),
        ((200, 50), ["time", "method", "st", "host", "path", "type", "process", "container", "sent", "size", "took"]),
    ],
)
async def test_wider_screens_have_more_columns(size: tuple[int, int], titles: list[str]) -> None:
    async with running(SyntheticFeed().fill(20), size) as screen:
        assert screen.lines()[0].split() == titles
        assert all(len(line) <= size[0] for line in screen.lines())


async def test_a_search_that_ends_before_it_begins_leaves_no_warning() -> None:
    """As where a signal ends the program right behind a key: Python would tell of it on the terminal."""
    async with running(numbered(3)) as screen:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for typed in ("a", "ab"):
                screen.requests.on_filter_bar_changed(FilterBar.Changed(parse(typed)))
            await screen.found()
            gc.collect()
        assert [str(one.message) for one in told] == []

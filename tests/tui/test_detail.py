"""The detail pane: what it shows, how it is moved through, how it keeps up with a live transaction."""

from __future__ import annotations

import gzip

import pytest

from tests.tui.driver import LARGE, SMALL, running
from tests.tui.synthetic import MS, NGINX, SyntheticFeed, mixture, transaction

TALL = (100, 50)


def one(**what: object) -> SyntheticFeed:
    return SyntheticFeed().fill(1, lambda _: transaction(**what))  # type: ignore[arg-type]


async def test_the_overview_attributes_everything() -> None:
    feed = SyntheticFeed().fill(5)
    async with running(feed, TALL) as screen:
        await screen.press("k", "enter", "z")
        for words in (
            "GET https://api.example.com/static/app.js", "200 OK  12ms", "nginx  pid 77, parent 1", "/usr/sbin/nginx",
            "nginx: worker process", "www-data (33)", "web  nginx:1.27  0123456789ab", "tier=front", "incoming (ingress)",
            "10.0.0.5:40003", "93.184.216.34:443", "plaintext seen in openssl, server name api.example.com",
            "⇄ client curl  pid 4242", "2025-06-15 15:06:43.123000 UTC", "bytes on the wire: head", "t0000000000000000003",
        ):  # fmt: skip
            assert words in screen.text
        bars = {line.split()[0]: line.count("█") for line in screen.lines() if "█" in line}
        assert bars == {"Request": 3, "Waiting": 27, "Response": 10}


async def test_reasons_are_explained_in_words() -> None:
    async with running(one(incomplete=("response_body_cut", "attached_mid_connection")), LARGE) as screen:
        await screen.press("enter", "z")
        assert "! the response body is longer than the limit (--http-buffer-size)" in screen.text
        assert "! capture began in the middle of this connection" in screen.text


async def test_a_size_that_is_not_known_is_not_shown_as_one_that_is() -> None:
    async with running(one(incomplete=("response_body_lost", "response_body_size_unknown")), TALL) as screen:
        await screen.press("enter", "z")
        sent, received = (
            next(line for line in screen.lines() if line.strip().startswith(label)) for label in ("Sent", "Received")
        )
        assert "counted, its size is not known" in received
        assert "not known" not in sent


async def test_sizes_are_told_as_this_end_sent_and_received_them() -> None:
    async with running(one(server=True, target="/here"), TALL) as screen:
        await screen.press("enter", "z")
        labels = [line.split()[0] for line in screen.lines() if "on the wire: head" in line]
        assert labels == ["Received", "Sent"]


async def test_the_size_of_a_compressed_head_is_not_that_of_its_text() -> None:
    async with running(one(protocol="http2"), TALL) as screen:
        await screen.press("enter", "z")
        assert "bytes on the wire: head compressed (" in screen.text


async def test_tabs_go_round_both_ways_and_show_heads_bodies_and_bytes() -> None:
    async with running(one(request_body=b"hello=world")) as screen:
        await screen.press("enter")
        assert "Executable" in screen.text
        await screen.press("l")
        assert "User-Agent: curl/8.5" in screen.text
        assert "HTTP/1.1 200 OK" in screen.text
        await screen.press("right")
        assert "hello=world" in screen.text
        await screen.press("l")
        assert '"name": "café"' in screen.text
        await screen.press("l")
        assert "00000000  47 45 54 20" in screen.text
        await screen.press("l")
        assert "Executable" in screen.text
        await screen.press("h", "left")
        assert '"name": "café"' in screen.text


async def test_a_click_chooses_a_tab() -> None:
    async with running(one()) as screen:
        await screen.press("enter")
        await screen.pilot.click("#tabs", offset=(screen.lines()[0].index("Headers"), 0))
        await screen.pilot.pause()
        assert "User-Agent: curl/8.5" in screen.text


async def test_a_body_is_shown_in_other_ways() -> None:
    async with running(one()) as screen:
        await screen.press("enter", "l", "l", "l")
        assert "JSON · application/json · 79 bytes" in screen.text
        await screen.press("v")
        assert "text · application/json" in screen.text
        await screen.press("v")
        assert "hex · application/json" in screen.text
        assert "7b 22 69 64" in screen.text
        await screen.press("v")
        assert "JSON · application/json" in screen.text


async def test_a_compressed_body_is_unpacked_and_says_so() -> None:
    packed = gzip.compress(b'{"packed":true}')
    headers = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
    async with running(one(body=packed, headers=headers)) as screen:
        await screen.press("enter", "h", "h")
        assert '"packed": true' in screen.text
        assert f"15 bytes · gzip, {len(packed)}" in screen.text


async def test_a_live_body_grows_where_one_reads() -> None:
    feed = one(status=200, body=b"first\n", headers=b"Content-Type: text/event-stream\r\n", finished=False)
    live = feed.log.get(0)
    assert live is not None
    async with running(feed) as screen:
        await screen.press("enter", "h", "h")
        assert "── still arriving ──" in screen.text
        for number in range(50):
            live.response.body = bytes(live.response.body) + b"line %d\n" % number
        live.response.body_size = len(live.response.body)
        live.response.wire_size += 1
        live.response.last_at += MS
        screen.detail._not_before = 0.0  # noqa: SLF001 - the rest it takes between two pictures is over
        screen.look()
        await screen.pilot.pause()
        assert "line 18" in screen.text
        await screen.press("G")
        assert "line 49" in screen.text
        top = screen.detail.document_view.top
        live.response.complete = live.finished = True
        screen.detail._not_before = 0.0  # noqa: SLF001 - likewise
        screen.look()
        await screen.pilot.pause()
        assert "still arriving" not in screen.text
        assert abs(screen.detail.document_view.top - top) <= 1


async def test_a_long_document_scrolls() -> None:
    async with running(one(body=b"\n".join(b"line %d" % number for number in range(500)), headers=b"")) as screen:
        await screen.press("enter", "h", "h")
        assert "line 19 " in screen.text
        await screen.press("pagedown")
        assert "line 20 " in screen.text
        await screen.press("G")
        assert "line 499" in screen.text
        await screen.press("g", "j", "ctrl+d", "ctrl+u", "k")
        assert "text · no content type" in screen.text


async def test_the_next_and_the_previous_request_are_shown_without_going_back() -> None:
    feed = SyntheticFeed().fill(9, lambda number: transaction(number, target=f"/row/{number}"))
    async with running(feed) as screen:
        await screen.press("g", "enter")
        assert "/row/0" in screen.text
        await screen.press("J", "J")
        assert "/row/2" in screen.text
        await screen.press("K")
        assert "/row/1" in screen.text


async def test_wide_screens_show_both_panes_and_the_details_follow_the_cursor() -> None:
    feed = SyntheticFeed().fill(9, lambda number: transaction(number, target=f"/row/{number}"))
    async with running(feed, LARGE) as screen:
        await screen.press("g", "enter")
        assert "/row/8" in screen.text
        assert "https://api.example.com/row/0" in screen.text
        await screen.press("tab", "j")
        assert screen.list.has_focus
        assert "https://api.example.com/row/1" in screen.text
        await screen.press("shift+tab")
        assert screen.detail.document_view.has_focus
        await screen.press("z")
        assert not screen.requests.query_one("#list-pane").display
        await screen.press("z")
        assert screen.requests.query_one("#list-pane").display


@pytest.mark.parametrize(("size", "both"), [(SMALL, False), ((119, 35), False), ((119, 36), True), ((120, 24), True)])
async def test_narrow_screens_show_one_pane_at_a_time_unless_they_are_high(size: tuple[int, int], both: bool) -> None:
    async with running(SyntheticFeed().fill(9), size) as screen:
        await screen.press("enter")
        assert screen.detail.display
        assert screen.requests.query_one("#list-pane").display is both
        await screen.press("tab")
        assert screen.requests.query_one("#list-pane").display
        assert screen.detail.display is both
        await screen.press("escape")
        assert not screen.detail.display
        assert screen.requests.query_one("#list-pane").display


async def test_details_stay_when_their_row_leaves_the_log() -> None:
    feed = SyntheticFeed().fill(3, lambda number: transaction(number, target=f"/row/{number}", process=NGINX))
    async with running(feed) as screen:
        await screen.press("g", "enter")
        feed.clear()
        feed.fill(1)
        screen.look()
        await screen.pilot.pause()
        assert "https://api.example.com/row/0" in screen.text


async def test_enter_on_an_empty_list_does_nothing() -> None:
    async with running(SyntheticFeed()) as screen:
        await screen.press("enter", "tab", "z")
        assert not screen.detail.display


async def test_new_rows_do_not_change_the_details() -> None:
    feed = SyntheticFeed().fill(3, lambda number: transaction(number, target=f"/row/{number}"))
    async with running(feed, LARGE) as screen:
        await screen.press("enter", "tab", "G")
        feed.fill(50, mixture)
        screen.look()
        await screen.pilot.pause()
        assert "https://api.example.com/row/2" in screen.text


async def test_stepping_past_the_last_of_a_few_filtered_rows_behind_the_details_is_harmless() -> None:
    feed = SyntheticFeed().fill(40)
    async with running(feed, SMALL) as screen:
        await screen.press("slash", *"app.js", "enter", "g", "enter")
        for _ in range(12):
            await screen.press("J")
        assert "app.js" in screen.text
        for _ in range(12):
            await screen.press("K")
        assert "app.js" in screen.text

"""The messages of a WebSocket in the detail pane."""

from __future__ import annotations

from qtap.model import Transaction, WebSocket, WebSocketMessage
from tests.tui.driver import LARGE, running
from tests.tui.synthetic import SyntheticFeed, transaction

AT = 1_750_000_003_000_000_000


def said(text: str, *, from_client: bool = False, kind: str = "text", faults: tuple[str, ...] = ()) -> WebSocketMessage:
    payload = text.encode()
    return WebSocketMessage(AT, kind, from_client, payload, len(payload), len(payload) + 2, faults=faults)


def chat(*messages: WebSocketMessage, finished: bool = False, dropped: int = 0) -> SyntheticFeed:
    def one(_: int) -> Transaction:
        made = transaction(status=101, finished=finished)
        made.websocket = WebSocket(list(messages), dropped, sum(each.from_client for each in messages), 5)
        return made

    return SyntheticFeed().fill(1, one)


async def test_each_message_is_a_row() -> None:
    feed = chat(
        said('{"ask": "it",\n "n": 1}', from_client=True),
        said("\x1b[31mred"),
        WebSocketMessage(AT, "close", payload=b"\x03\xe8bye", size=5),
        said("half", faults=("unreadable",)),
        WebSocketMessage(AT, "binary", payload=b"\0\1\2\xff", size=4),
        dropped=1200,
    )
    async with running(feed, LARGE) as screen:
        await screen.press("enter", "l", "l")
        assert "↑ 1 from the client · ↓ 5 from the server · ● open" in screen.text
        assert "1,200 older messages" in screen.text
        assert '↑ text      22  {"ask": "it", "n": 1}' in screen.text
        assert "␛[31mred" in screen.text
        assert "↓ close      5  1000 bye" in screen.text
        assert "[unreadable] half" in screen.text
        assert "00 01 02 ff" in screen.text


async def test_messages_are_shown_in_full_on_request() -> None:
    async with running(chat(said('{"ask":{"deep":1}}'), said("plain"), finished=True), LARGE) as screen:
        await screen.press("enter", "l", "l")
        assert "closed" in screen.text
        assert '{"ask":{"deep":1}}' in screen.text
        await screen.press("v")
        assert '"deep": 1' in screen.text
        await screen.press("v")
        assert '{"ask":{"deep":1}}' in screen.text


async def test_new_messages_are_followed_at_the_end() -> None:
    feed = chat(*(said(f"number {n}") for n in range(100)))
    socket = feed.log.get(0).websocket  # type: ignore[union-attr]
    assert isinstance(socket, WebSocket)
    async with running(feed, LARGE) as screen:
        await screen.press("enter", "l", "l", "G")
        assert "number 99" in screen.text
        socket.messages.append(said("number 100"))
        await screen.pilot.pause(0.5)
        assert "number 100" in screen.text


async def test_the_tab_is_there_for_websockets_only() -> None:
    feed = chat(said("x")).fill(1, lambda _: transaction())
    async with running(feed, LARGE) as screen:
        await screen.press("enter")
        assert "Messages" not in screen.lines()[0]

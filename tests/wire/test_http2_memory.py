"""What is half read of HTTP/2 counts as memory, and is given up when that is short: what depends on it is marked, not wrong."""

from __future__ import annotations

from qtap.wire.hpack import Decoder
from qtap.wire.http2_attach import Attach
from tests.wire.http2_talk import GET, Talk, data, frame


def _inserted(count: int, size: int = 1000) -> bytes:
    """A header block that puts fields of `size` bytes and a little into the dynamic table (RFC 7541 section 6.2.1)."""
    length = bytes((127, (size - 127) & 127 | 128, (size - 127) >> 7))
    return b"\x3f\xe1\xff\x03" + b"".join(b"\x40\x01" + bytes((97 + n % 26,)) + length + b"v" * size for n in range(count))


def test_a_dynamic_table_counts_and_shrinks_to_the_usual_one() -> None:
    decoder = Decoder(fresh=True)
    decoder.decode(_inserted(50))
    assert decoder.held > 3 * 50_000
    decoder.shrink()
    assert decoder.held <= 3 * 4096
    fields = decoder.decode(b"\xbe\xff\x00")
    assert fields is not None
    youngest, older = fields
    assert youngest[0] == bytes((97 + 49 % 26,))
    assert older[0] is None


def test_a_connection_whose_tables_are_large_counts_them_and_gives_them_up() -> None:
    talk = Talk().client(frame(1, 5, 1, b"\x82\x87\x84" + _inserted(15))).server(frame(1, 5, 1, b"\x88" + _inserted(10)))
    assert talk.observer.held > 3 * 25_000
    talk.observer.keep_no_more()
    assert talk.observer.held < 6 * 4096
    talk.client(frame(1, 5, 3, b"\x82\x87\x84\xbe\xca")).server(frame(1, 5, 3, b"\x88"))
    assert "request_headers_unknown" in talk.finished_ones[-1].incomplete
    assert not talk.finished_ones[0].incomplete


def test_the_search_for_http2_counts_what_it_keeps() -> None:
    attach = Attach()
    attach.feed(0, data(1, bytes(5000)), 1, boundary=True)
    attach.feed(1, frame(1, 4, 1, b"\x40\x01a\x7f\xd1\x0f" + bytes(3000))[:2000], 1, boundary=True)
    assert attach.held > 7000
    attach.forget()
    assert attach.held == 0


def test_a_call_that_may_begin_with_frames_counts_until_it_is_known() -> None:
    talk = Talk(from_start=False).client(frame(0, 0, 1, bytes(9000))[:5000])
    assert talk.observer.held >= 5000
    talk.observer.keep_no_more()
    assert talk.observer.held == 0
    assert talk.ask(3, GET).answer(3).finished_ones[0].status == 200

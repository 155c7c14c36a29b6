"""One connection, both ends in this process, every byte said by the test: each must come out as it was."""

from __future__ import annotations

import ctypes
import hashlib
import os
import select
import socket
import struct
import threading
from pathlib import Path

import pytest

from tests.live.program import Capture, Fields, body_of, is_server, until
from tests.live.wires import port_of, read, say, wire

pytestmark = pytest.mark.live

GET = b"GET /thing?a=1&b=%20 HTTP/1.1\r\nHost: example.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def whole(found: tuple[list[Fields], list[Fields]]) -> list[Fields]:
    """Give the transactions of both ends, once each is whole and knows the other."""
    for ours, theirs in zip(*found, strict=True):
        assert ours["metadata"]["peer_request_id"] == theirs["metadata"]["request_id"]
        assert theirs["metadata"]["peer_request_id"] == ours["metadata"]["request_id"]
    both = [*found[0], *found[1]]
    assert [transaction.get("incomplete") for transaction in both] == [None] * len(both)
    return both


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_request_is_seen_by_both_ends_with_their_addresses(
    capture: Capture, certificate: Path, host: str, encrypted: bool
) -> None:
    with wire(host, certificate if encrypted else None) as (client, server):
        say(client, server, GET)
        say(server, client, OK)
        port, service = port_of(client), server.getsockname()[1]
    for seen in whole(capture.both_ends(port)):
        written = f"[{host}]" if ":" in host else host
        ends = [f"{written}:{port}", f"{written}:{service}"]
        metadata = seen["metadata"]
        assert [metadata["local_address"], metadata["remote_address"]] == (ends[::-1] if is_server(seen) else ends)
        assert seen["direction"] == ("ingress" if is_server(seen) else "egress-internal")
        assert seen["request"]["url"] == f"{'https' if encrypted else 'http'}://example.test/thing?a=1&b=%20"
        assert seen["request"]["path"] == "/thing"
        assert metadata["process_id"] == str(os.getpid())
        assert body_of(seen["response"]) == b"hello"
        sizes = [metadata["bytes_sent"], metadata["bytes_received"]]
        assert sizes == ([len(OK), len(GET)] if is_server(seen) else [len(GET), len(OK)])
    reports = [
        event for event in capture.of("connection") if port in (end_port(event, "source"), end_port(event, "destination"))
    ]
    assert {event["direction"] for event in reports[:2]} == {"egress-internal", "ingress"}
    assert {(end_port(event, "source"), end_port(event, "destination")) for event in reports} == {(port, service)}


def end_port(connection: Fields, end: str) -> int:
    return int(connection[end]["address"]["port"])


@pytest.mark.parametrize("encrypted", [False, True])
def test_pipelined_requests_keep_their_answers(capture: Capture, certificate: Path, encrypted: bool) -> None:
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(7)))
        say(server, client, b"".join(b"HTTP/1.1 20%d OK\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(4)))
        for n in range(4, 7):
            say(server, client, b"HTTP/1.1 20%d OK\r\nContent-Length: 1\r\n\r\n%d" % (n, n))
        port = port_of(client)
    both = whole(capture.both_ends(port, 7))
    for seen in both:
        number = int(seen["request"]["path"][1:])
        assert seen["response"]["status"] == 200 + number
        expected = b"" if number == 4 else b"%d" % number  # 204 has no body, whatever its head says
        assert body_of(seen["response"]) == expected


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_body_may_end_with_the_connection(capture: Capture, certificate: Path, encrypted: bool) -> None:
    body = os.urandom(40_000)
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, b"GET /old HTTP/1.0\r\n\r\n")
        say(server, client, b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + body)
        server.close()
        assert client.recv(1) == b""
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert body_of(seen["response"]) == body


def test_a_client_that_says_no_more_still_gets_its_answer(capture: Capture) -> None:
    with wire() as (client, server):
        say(client, server, b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        say(server, client, OK)
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert (body_of(seen["request"]), body_of(seen["response"])) == (b"abc", b"hello")


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_body_that_waits_for_100_belongs_to_its_request(capture: Capture, certificate: Path, encrypted: bool) -> None:
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, b"PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
        say(server, client, b"HTTP/1.1 100 Continue\r\n\r\n")
        say(client, server, b"abcdef")
        say(server, client, OK)
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert (seen["response"]["status"], body_of(seen["request"])) == (200, b"abcdef")


def test_what_follows_an_upgrade_is_no_http(capture: Capture) -> None:
    with wire() as (client, server):
        say(client, server, b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
        say(server, client, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
        for _ in range(3):
            say(client, server, GET)
            say(server, client, OK)
        port = port_of(client)
    with wire() as (client, server):
        say(client, server, GET)
        say(server, client, OK)
        later = port_of(client)
    capture.both_ends(later)
    assert [seen["response"]["status"] for seen in whole(capture.both_ends(port))] == [101, 101]


@pytest.mark.parametrize("encrypted", [False, True])
def test_three_megabytes_in_one_call_come_out_whole(capture: Capture, certificate: Path, encrypted: bool) -> None:
    body = os.urandom(3_000_000)
    with wire(pem=certificate if encrypted else None) as (client, server):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        say(client, server, b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + body)
        say(server, client, b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body)
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        for message in (seen["request"], seen["response"]):
            assert hashlib.sha256(body_of(message)).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("encrypted", [False, True])
def test_chunks_of_every_size_and_trailers_come_out_joined(capture: Capture, certificate: Path, encrypted: bool) -> None:
    pieces = [bytes([size % 251]) * size for size in (1, 2, 15, 16, 255, 4095, 16_384, 16_385, 40_000)]
    chunked = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Sum: 7\r\n\r\n"
    head = b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    with wire(pem=certificate if encrypted else None) as (client, server):
        say(client, server, b"POST /chunks HTTP/1.1\r\nHost: a\r\n" + head + chunked)
        say(server, client, b"HTTP/1.1 200 OK\r\n" + head)
        for start in range(0, len(chunked), 7001):
            say(server, client, chunked[start : start + 7001])
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        for message in (seen["request"], seen["response"]):
            assert body_of(message) == b"".join(pieces)
            assert message["trailers"] == {"X-Sum": "7"}


@pytest.mark.parametrize("call", ["writev", "sendmsg"])
@pytest.mark.parametrize(("size", "piece"), [(900, 7), (900, 130), (900, 500), (3000, 1999), (30_000, 17_000)])
def test_a_gathering_call_is_one_message(capture: Capture, call: str, size: int, piece: int) -> None:
    body = os.urandom(size)
    message = b"POST /gather HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body
    pieces = [b"", *(message[start : start + piece] for start in range(0, len(message), piece)), b"", b""]
    with wire() as (client, server):
        sent = os.writev(client.fileno(), pieces) if call == "writev" else client.sendmsg(pieces)
        assert sent == len(message)
        assert read(server, sent) == message
        say(server, client, OK)
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert body_of(seen["request"]) == body


@pytest.mark.parametrize("call", ["readv", "recvmsg_into", "recv_into", "read"])
def test_each_way_to_receive_is_seen(capture: Capture, call: str) -> None:
    with wire() as (client, server):
        client.sendall(GET)
        buffers = [bytearray(3), bytearray(0), bytearray(20), bytearray(1000)]
        if call == "readv":
            assert os.readv(server.fileno(), buffers) == len(GET)
        elif call == "recvmsg_into":
            assert server.recvmsg_into(buffers)[0] == len(GET)
        elif call == "recv_into":
            assert server.recv_into(buffers[3]) == len(GET)
        else:
            assert os.read(server.fileno(), 1000) == GET
        say(server, client, OK)
        port = port_of(client)
    whole(capture.both_ends(port))


def test_what_is_sent_without_a_copy_is_seen_and_its_notices_are_not(capture: Capture) -> None:
    """MSG_ZEROCOPY, whose completions are read from the error queue (Documentation/networking/msg_zerocopy.rst)."""
    zerocopy, msg_zerocopy, errqueue = 60, 0x4000000, 0x2000
    body = os.urandom(100_000)
    message = b"POST /zero HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with wire() as (client, server):
        client.setsockopt(socket.SOL_SOCKET, zerocopy, 1)
        reader = threading.Thread(target=read, args=(server, len(message)))
        reader.start()
        sent = 0
        while sent < len(message):
            sent += client.send(memoryview(message)[sent:], msg_zerocopy)
        reader.join()
        until(lambda: has_notice(client), "the notice that the buffer is free")
        assert client.recvmsg(1000, 1000, errqueue)[1]
        say(server, client, OK)
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert body_of(seen["request"]) == body


def has_notice(end: socket.socket) -> bool:
    """Say whether something is in the socket's error queue."""
    poll = select.poll()
    poll.register(end, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def test_a_look_at_waiting_bytes_is_not_counted_twice(capture: Capture) -> None:
    with wire() as (client, server):
        client.sendall(GET)
        for size in (1, 10, 1000):
            assert server.recv(size, socket.MSG_PEEK) == GET[:size]
        read(server, len(GET))
        server.sendall(OK)
        assert client.recv(1000, socket.MSG_PEEK) == OK
        read(client, len(OK))
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert body_of(seen["response"]) == b"hello"


def test_a_head_and_a_body_may_come_byte_by_byte(capture: Capture) -> None:
    with wire() as (client, server):
        for byte in GET:
            say(client, server, bytes([byte]))
        for byte in OK:
            say(server, client, bytes([byte]))
        port = port_of(client)
    for seen in whole(capture.both_ends(port)):
        assert body_of(seen["response"]) == b"hello"


def test_many_messages_of_one_call_are_one_stream(capture: Capture) -> None:
    """sendmmsg(2) on a connection; more of them than one run of the kernel's program passes."""
    pieces = [bytes([number % 256]) * (1 + number % 7) for number in range(200)]
    body = b"".join(pieces)
    head = b"POST /many HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with wire() as (client, server):
        thread = threading.Thread(target=read, args=(server, len(head) + len(body)))
        thread.start()
        send_messages(client, [head, *pieces[:100]])
        send_messages(client, pieces[100:])
        thread.join()
        say(server, client, OK)
        say(client, server, GET)
        say(server, client, OK)
        port = port_of(client)
    first, second = capture.both_ends(port, 2)[0]
    assert [seen.get("incomplete") for seen in (first, second)] == [None, None]
    assert body_of(first["request"]) == body


def send_messages(sender: socket.socket, pieces: list[bytes]) -> None:
    """Pass every piece as a message of its own, in one system call."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffers = [ctypes.create_string_buffer(piece, len(piece)) for piece in pieces]
    slices = ctypes.create_string_buffer(
        b"".join(struct.pack("QQ", ctypes.addressof(buffer), len(buffer)) for buffer in buffers)
    )
    at = ctypes.addressof(slices)
    # struct mmsghdr: msg_iov and msg_iovlen of its msghdr are the third and fourth of eight words
    each = (struct.pack("8Q", 0, 0, at + 16 * number, 1, 0, 0, 0, 0) for number in range(len(pieces)))
    messages = ctypes.create_string_buffer(b"".join(each))
    assert libc.sendmmsg(sender.fileno(), messages, len(pieces), 0) == len(pieces)

"""HTTP/2 as real clients and servers speak it, by the server's own record: 211 requests each."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from h2.events import DataReceived, RequestReceived, StreamEnded

from tests.live.asking import COUNT, asks
from tests.live.command_clients import with_curl_http2
from tests.live.comparing import compare, compare_ends, expect
from tests.live.http2_ends import Client, End, http2_server
from tests.live.program import Capture, Fields, body_of, client_port, is_server
from tests.live.servers import Seen, digest

pytestmark = pytest.mark.live

UNKNOWN = "‹unknown"


@pytest.mark.parametrize(("scheme", "option"), [("https", "--http2"), ("http", "--http2-prior-knowledge")])
def test_every_request_of_curl_is_captured_as_the_server_saw_it(
    certificate: Path, tmp_path: Path, scheme: str, option: str
) -> None:
    with http2_server(certificate if scheme == "https" else None) as server:
        with Capture("--ring-size", "128MB") as capture:
            with_curl_http2(server.url, certificate, asks(f"curl-{scheme}"), tmp_path, option)
        assert len(server.seen) == COUNT
        assert {t["request"]["protocol"] for t in capture.transactions} == {"http2"}
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_request_of_many_streams_is_captured_as_the_server_saw_it(certificate: Path, scheme: str) -> None:
    with http2_server(certificate if scheme == "https" else None) as server:
        with Capture("--ring-size", "128MB") as capture:
            subprocess.run([sys.executable, "-m", "tests.live.http2_ends", server.url, certificate, f"h2-{scheme}"], check=True)
        assert len(server.seen) == COUNT
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connections_that_were_open_before_capture_show_every_request_and_nothing_wrong(certificate: Path, scheme: str) -> None:
    with http2_server(certificate if scheme == "https" else None) as server:
        clients = [Client(server.url, str(certificate)) for _ in range(4)]
        for index, request in enumerate(asks("before", 44)):
            clients[index % 4].ask(request)
        for client in clients:
            client.finish()
        before = len(server.seen)
        with Capture("--ring-size", "128MB") as capture:
            for index, request in enumerate(asks("after")):
                clients[index % 4].ask(request)
            for client in clients:
                client.close()
        record = {seen.id: expect(seen) for seen in server.seen[before:]}
        assert len(record) == COUNT
        assert len(capture.transactions) == 2 * COUNT
        # The server's threads waited in a read of their TLS library when the probes came: its first request was not seen.
        late = [t for t in capture.transactions if "attached_mid_connection" in t.get("incomplete", ())]
        assert len(late) <= len(clients)
        assert all(is_server(t) and not t["request"]["headers"] for t in late)
        for transaction in (t for t in capture.transactions if t not in late):
            # The value is new in each request; its name may refer to one that is not known.
            (ident,) = [value for value in transaction["request"]["headers"].values() if value.startswith("after-")]
            right_or_unknown(transaction, record[ident])
        assert capture.of("loss") == []


def right_or_unknown(transaction: Fields, seen: Seen) -> None:
    """See that what was captured is the server's record, but for fields that are marked."""
    assert set(transaction.get("incomplete", ())) <= {"request_headers_unknown", "response_headers_unknown"}
    for side, true in (("request", seen.request_headers), ("response", seen.response_headers)):
        headers = transaction[side]["headers"]
        known = {name: value for name, value in headers.items() if not name.startswith(UNKNOWN)}
        unknown = f"{side}_headers_unknown" in transaction.get("incomplete", ())
        assert unknown == (len(known) < len(headers))
        if not unknown:
            assert known == dict(true)
        for name, value in known.items():
            assert set(value.replace("\n", ", ").split(", ")) <= set(dict(true)[name].replace("\n", ", ").split(", "))
    assert client_port(transaction) == seen.port
    assert transaction["request"]["method"] in ("", seen.method)
    assert "/" + transaction["request"]["url"].split("/", 3)[3] in ("/", seen.target)
    assert transaction["response"]["status"] in (0, seen.status)
    assert digest(body_of(transaction["request"])) == seen.request_body
    assert digest(body_of(transaction["response"])) == seen.response_body


def test_bodies_are_dropped_below_level_full_and_headers_are_not(certificate: Path) -> None:
    with http2_server(certificate) as server, Capture("--level", "headers") as capture:
        client = Client(server.url, str(certificate))
        for request in asks("level", 20):
            client.ask(request)
        client.close()
        found = capture.wait_for(40, lambda _: True)
    assert all("body" not in t[side] and "incomplete" not in t for t in found for side in ("request", "response"))
    record = {seen.id: expect(seen) for seen in server.seen}
    for transaction in found:
        seen = record[transaction["request"]["headers"]["X-Id"]]
        assert transaction["request"]["headers"] == dict(seen.request_headers)
        assert transaction["response"]["headers"] == dict(seen.response_headers)


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_every_request_of_node_is_captured_as_the_server_saw_it() -> None:
    with http2_server() as server:
        with Capture("--ring-size", "128MB") as capture:
            subprocess.run(["node", Path(__file__).with_name("http2.mjs"), server.url, "node", str(COUNT)], check=True)
        assert len(server.seen) == COUNT
        for seen in server.seen:
            cookies = [value for name, value in seen.request_headers if name == "cookie"]
            seen.request_headers = [(name, value) for name, value in seen.request_headers if name != "cookie"]
            seen.request_headers.append(("cookie", "; ".join(cookies)))
        compare(capture.transactions, server.seen)
        assert capture.of("loss") == []


def test_a_tunnel_is_opaque_and_its_bytes_are_counted_at_both_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Capture() as capture:

        def serve() -> None:
            with listener.accept()[0] as sock:
                end = End(sock, is_client=False)
                while (events := end.events()) is not None:
                    for event in events:
                        if isinstance(event, RequestReceived):
                            end.h2.send_headers(1, [(":status", "200")])
                        elif isinstance(event, DataReceived):
                            end.h2.send_data(1, 3 * event.data, end_stream=bool(event.stream_ended))
                    end.flush()

        answering = threading.Thread(target=serve)
        answering.start()
        with socket.create_connection(listener.getsockname()) as sock:
            end = End(sock, is_client=True)
            end.h2.send_headers(1, [(":method", "CONNECT"), (":authority", "db:5432")])
            for last in (False, False, True):
                end.h2.send_data(1, b"?" * 1000, end_stream=last)
                end.flush()
            while not any(isinstance(event, StreamEnded) for event in end.events() or ()):
                end.flush()
        answering.join(5)
        client, server = sorted(capture.wait_for(2, lambda _: True), key=is_server)
    for one in (client, server):
        assert (one["request"]["method"], one["request"]["protocol"], one["response"]["status"]) == ("CONNECT", "http2", 200)
        assert "incomplete" not in one
        assert not body_of(one["request"])
        assert not body_of(one["response"])
    # Three frames each way, and one with headers of some twenty bytes.
    assert 3027 < client["metadata"]["bytes_sent"] == server["metadata"]["bytes_received"] < 3100
    assert 9027 < client["metadata"]["bytes_received"] == server["metadata"]["bytes_sent"] < 9100


def test_both_ends_of_a_reply_are_joined_by_their_stream(certificate: Path) -> None:
    with http2_server(certificate) as server, Capture() as capture:
        client = Client(server.url, str(certificate))
        for request in list(asks("same", 1)) * 16:
            client.ask(request)
        client.close()
        compare_ends(capture.wait_for(32, lambda _: True))
    assert sum(is_server(t) for t in capture.transactions) == 16

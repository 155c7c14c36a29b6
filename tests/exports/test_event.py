from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given

from qtap.exports import http_transaction
from qtap.exports.encode import encode
from qtap.exports.event import System, connection_line, line_for, loss_line, process_line
from qtap.exports.http_transaction import endpoint_of, tag_value
from qtap.model import Connection, Container, Endpoint, Loss, Pod, Process, Transaction, WebSocket, WebSocketMessage
from tests.exports.samples import BEGAN, CURL, connection, losses, processes, transaction, transactions
from tests.exports.samples import connections as any_connection

WEB = System("web-1", "d3tsmtg7p3qggmf8pdhg")
DOCUMENT = Path(__file__).parents[2] / "docs" / "output.md"


def data_of(line: bytes) -> dict[str, Any]:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    data = json.loads(line)["data"]
    assert isinstance(data, dict)
    return data


def test_the_example_of_the_specification_comes_out_as_written() -> None:
    request = (
        b"POST /status/500 HTTP/1.1\r\nHost: httpbin.org\r\naccept: */*\r\ncontent-type: application/json\r\n"
        b"user-agent: curl/8.18.0\r\nContent-Length: 7\r\n\r\n"
    )
    response = b"HTTP/1.1 500 ISE\r\ncontent-type: text/html; charset=utf-8\r\nserver: gunicorn/19.9.0\r\n\r\n"
    container = Container("9f0c1d2e3a4b", "relaxed", "curlimages/curl")
    seen = transaction(
        request,
        b'{"a":1}',
        response,
        b"",
        connection=connection(process=msgspec.structs.replace(CURL, container=container)),
    )

    line = line_for(seen, tags=("host:web-1",))

    assert json.loads(line) == {
        "event": "http_transaction",
        "data": {
            "metadata": {
                "process_id": "4121",
                "process_exe": "/usr/bin/curl",
                "process_user": "root",
                "container_name": "relaxed",
                "container_image": "curlimages/curl",
                "bytes_sent": len(request) + 7,
                "bytes_received": len(response),
                "request_id": "d654d887p3qnd27vfhb0",
                "connection_id": "d654d887p3qnd27vfhag",
                "endpoint_id": "httpbin.org",
                "local_address": "192.168.3.218:51544",
                "remote_address": "3.210.94.60:443",
                "tags": ["bin:curl", "host:web-1", "ip:192.168.3.218", "protocol:http1", "strategy:observe"],
            },
            "request": {
                "method": "POST",
                "url": "https://httpbin.org/status/500",
                "scheme": "https",
                "path": "/status/500",
                "authority": "httpbin.org",
                "protocol": "http1",
                "user_agent": "curl/8.18.0",
                "content_type": "application/json",
                "headers": {
                    "Host": "httpbin.org",
                    "Accept": "*/*",
                    "Content-Type": "application/json",
                    "User-Agent": "curl/8.18.0",
                    "Content-Length": "7",
                },
                "body": "eyJhIjoxfQ==",
            },
            "response": {
                "status": 500,
                "content_type": "text/html; charset=utf-8",
                "headers": {"Content-Type": "text/html; charset=utf-8", "Server": "gunicorn/19.9.0"},
                "body": "",
            },
            "transaction_time": "2026-01-02T03:04:05.123456789Z",
            "duration_ms": 767,
            "direction": "egress-external",
        },
    }


def test_a_server_sends_the_response_and_names_itself_as_the_endpoint() -> None:
    seen = transaction(connection=connection(server=True, sni=""), host="")
    data = data_of(line_for(seen))
    assert data["direction"] == "ingress"
    assert data["metadata"]["bytes_sent"] == seen.response.wire_size
    assert data["metadata"]["bytes_received"] == seen.request.wire_size
    assert data["metadata"]["endpoint_id"] == "192.168.3.218"


@pytest.mark.parametrize(
    ("sni", "host", "endpoint"),
    [
        ("a.example", "b.example:8443", "a.example"),
        ("", "b.example:8443", "b.example"),
        ("", "[::1]:8080", "::1"),
        ("", "::1", "::1"),
        ("", "", "3.210.94.60"),
    ],
)
def test_the_endpoint_is_sni_then_host_without_port_then_the_address(sni: str, host: str, endpoint: str) -> None:
    assert endpoint_of(transaction(connection=connection(sni=sni), host=host)) == endpoint


def test_the_url_keeps_the_query_and_the_path_does_not() -> None:
    data = data_of(line_for(transaction(b"GET /a?b=c&d HTTP/1.1\r\n\r\n")))
    assert data["request"]["url"] == "https://httpbin.org/a?b=c&d"
    assert data["request"]["path"] == "/a"


def test_each_level_says_what_the_specification_allows_and_no_more() -> None:
    seen = transaction(b"GET / HTTP/1.1\r\nUser-Agent: u\r\nContent-Type: t/t\r\n\r\n", b"x", incomplete=("response_lost",))
    seen.request.trailers = b"x-sum: 1\r\n"

    assert line_for(seen, "none") == b""
    summary = data_of(line_for(seen, "summary"))
    headers = data_of(line_for(seen, "headers"))
    full = data_of(line_for(seen, "full"))

    assert set(summary["request"]) == {
        "method", "url", "scheme", "path", "authority", "protocol", "user_agent", "content_type",
    }  # fmt: skip
    assert summary["response"] == {"status": 200}
    assert summary["incomplete"] == headers["incomplete"] == full["incomplete"] == ["response_lost"]
    assert set(headers["request"]) - set(summary["request"]) == {"headers", "trailers"}
    assert set(full["request"]) - set(headers["request"]) == {"body"}
    assert full["request"]["trailers"] == {"X-Sum": "1"}
    assert base64.b64decode(full["request"]["body"]) == b"x"


def test_what_says_nothing_is_left_out() -> None:
    bare = Transaction("d654d887p3qnd27vfhb0", Connection("d654d887p3qnd27vfhag", Process(7)))
    data = data_of(line_for(bare))
    assert set(data["metadata"]) == {
        "process_id", "bytes_sent", "bytes_received", "request_id", "connection_id", "endpoint_id", "tags",
    }  # fmt: skip
    assert data["response"] == {"status": 0, "headers": {}, "body": ""}
    assert data["duration_ms"] == 1
    assert "incomplete" not in data


def test_missing_bytes_of_a_body_are_counted() -> None:
    seen = transaction(response=b"HTTP/1.1 200 OK\r\n\r\n", response_body=b"abc")
    seen.response.body_size = 1003
    data = data_of(line_for(seen))
    assert data["response"]["body_truncated"] == 1000
    assert "body_truncated" not in data["request"]
    assert "body_truncated" not in data_of(line_for(seen, "headers"))["response"]


def test_both_ends_of_an_exchange_on_this_host_name_each_other() -> None:
    assert data_of(line_for(transaction(peer="other")))["metadata"]["peer_request_id"] == "other"


def test_a_pod_is_named_by_the_labels_of_its_container() -> None:
    labels = {"io.kubernetes.pod.name": "web-5d", "io.kubernetes.pod.namespace": "shop"}
    process = Process(7, container=Container("9f0c1d2e3a4b", labels=labels))
    metadata = data_of(line_for(transaction(connection=connection(process=process))))["metadata"]
    assert (metadata["pod_name"], metadata["pod_namespace"]) == ("web-5d", "shop")


@pytest.mark.parametrize(("text", "tag"), [("Web 1.", "web-1"), ("(sd-pam)", "sd-pam"), ("--", ""), ("x", "x")])
def test_tags_are_lower_case_with_alphanumeric_ends(text: str, tag: str) -> None:
    assert tag_value(text) == tag


def test_an_executable_that_is_not_utf8_is_spelled_out() -> None:
    process = Process(7, exe=b"/opt/\xff\x1b[31m".decode("utf-8", "surrogateescape"))
    seen = transaction(connection=connection(process=process))
    assert data_of(line_for(seen))["metadata"]["process_exe"] == "/opt/\\xff\x1b[31m"
    assert data_of(line_for(seen))["request"]["body"] == ""


@given(transactions)
def test_any_transaction_becomes_one_line_of_json(seen: Transaction) -> None:
    data = data_of(line_for(seen))
    assert base64.b64decode(data["request"]["body"]) == seen.request.body
    assert data["duration_ms"] >= 1


@given(any_connection, processes, losses)
def test_any_connection_process_and_loss_becomes_one_line_of_json(seen: Connection, process: Process, loss: Loss) -> None:
    assert data_of(connection_line(seen, WEB))["meta"]["connectionId"] == seen.id
    assert data_of(process_line(process, WEB))["pid"] == process.pid
    assert data_of(loss_line(loss))["count"] == loss.count


def test_a_loss_says_where_how_many_and_since_when() -> None:
    assert data_of(loss_line(Loss("ring", 3, BEGAN, BEGAN + 1, "records"))) == {
        "where": "ring",
        "count": 3,
        "what": "records",
        "since": "2026-01-02T03:04:05.123456789Z",
        "at": "2026-01-02T03:04:05.123456790Z",
    }


def test_a_connection_is_reported_when_it_opens_and_when_it_closes() -> None:
    opened = connection(opened_at=BEGAN, tls=True)
    data = data_of(connection_line(opened, WEB))
    assert (data["finalized"], "part" in data, "closedAt" in data) == (False, False, False)
    assert data["meta"]["tlsProbeTypesDetected"] == ["openssl"]
    assert data["tags"] == {"bin": ["curl"], "host": ["web-1"], "ip": ["192.168.3.218"], "strategy": ["observe"]}
    assert data["system"] == {"hostname": "web-1", "agent": "tap", "agentInstance": "d3tsmtg7p3qggmf8pdhg"}
    assert (data["source"]["pid"], data["destination"]["address"]["port"]) == (4121, 443)

    opened.closed_at, opened.part = BEGAN + 1_000_000_000, 1
    closed = data_of(connection_line(opened, WEB))
    assert (closed["finalized"], closed["part"]) == (True, 1)
    assert closed["createdAt"] == "2026-01-02T03:04:05.123456789Z"
    assert closed["closedAt"] == "2026-01-02T03:04:06.123456789Z"


def test_an_incoming_connection_has_this_host_as_its_destination() -> None:
    data = data_of(connection_line(connection(server=True, remote=Endpoint("::1", 9)), WEB))
    assert data["destination"]["exe"] == "/usr/bin/curl"
    assert data["source"] == {"address": {"family": "ipv6", "ip": "::1", "port": 9}}
    assert data["direction"] == "ingress"


def test_a_process_is_reported_with_its_user_and_container() -> None:
    process = Process(7, exe="/bin/sh", uid=33, user="www", started_at=BEGAN, container=Container("9f0c1d2e3a4b", "c", "i"))
    assert data_of(process_line(process, WEB)) == {
        "topic": "process.started",
        "pid": 7,
        "path": "/bin/sh",
        "binary": "sh",
        "hostname": "web-1",
        "user": {"id": 33, "name": "www"},
        "createdAt": "2026-01-02T03:04:05.123456789Z",
        "container": {"id": "9f0c1d2e3a4b", "name": "c", "image": "i"},
    }


def test_a_pod_stands_beside_its_container() -> None:
    pod = Pod("web-0", "shop", "1b9d", {"app": "web"}, {"note": "hello"})
    process = Process(7, exe="/bin/sh", replaced=True, container=Container("9f0c1d2e3a4b", "c", pod=pod))
    data = data_of(process_line(process, WEB))
    assert (data["topic"], data["container"]) == ("process.replaced", {"id": "9f0c1d2e3a4b", "name": "c"})
    assert data["pod"]["labels"] == {"app": "web"}
    assert (data["pod"]["name"], data["pod"]["namespace"], data["pod"]["annotations"]) == ("web-0", "shop", {"note": "hello"})


def test_the_end_of_a_process_says_when_it_began_and_ended() -> None:
    process = Process(7, exe="/bin/sh", started_at=BEGAN, ended_at=BEGAN + 1_000_000_000)
    assert data_of(process_line(process, WEB)) == {
        "topic": "process.stopped",
        "pid": 7,
        "createdAt": "2026-01-02T03:04:05.123456789Z",
        "closedAt": "2026-01-02T03:04:06.123456789Z",
    }


@pytest.mark.parametrize("struct", ["Metadata", "Request", "Response", "HttpTransaction"])
def test_the_document_names_every_field(struct: str) -> None:
    written = DOCUMENT.read_text()
    for field in msgspec.structs.fields(getattr(http_transaction, struct)):
        assert f"`{field.name}." in written or f"`{field.name}`" in written or f".{field.name}`" in written, field.name


def test_controls_that_a_terminal_obeys_are_escaped_wherever_they_stand() -> None:
    text = "".join(map(chr, [*range(0x20), 0x7F, *range(0x80, 0xA0), 0xA0, 0xC2, 0x202E]))
    written = encode({text: text})
    assert json.loads(written) == {text: text}
    assert not {*range(0x20), *range(0x7F, 0xA0)} & {ord(character) for character in written.decode()}


def test_the_messages_of_a_websocket_are_told_as_the_level_allows() -> None:
    messages = [
        WebSocketMessage(BEGAN, "text", True, b"hi", 2, 8, compressed=True),  # noqa: FBT003 - a struct
        WebSocketMessage(BEGAN, "binary", payload=b"", size=9, wire_size=11, faults=("unreadable",)),
    ]
    seen = transaction(websocket=WebSocket(messages, dropped=4, from_client=5, from_server=1))
    time = "2026-01-02T03:04:05.123456789Z"
    first = {"time": time, "from": "client", "type": "text", "size": 2, "wire_size": 8, "compressed": True}
    second = {"time": time, "from": "server", "type": "binary", "size": 9, "wire_size": 11, "incomplete": ["unreadable"]}
    counts = {"from_client": 5, "from_server": 1, "dropped": 4}
    assert data_of(line_for(seen, "summary"))["websocket"] == counts
    assert data_of(line_for(seen, "headers"))["websocket"] == {**counts, "messages": [first, second]}
    assert data_of(line_for(seen))["websocket"] == {**counts, "messages": [{**first, "body": "aGk="}, second]}
    assert "websocket" not in data_of(line_for(transaction()))

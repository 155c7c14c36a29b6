"""WebSockets of real servers and clients: every message of both directions, compared with the server's own record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.program import PATIENCE, Capture, is_server
from tests.live.websocket_ends import COUNT, answers, said, spelled, texts

pytestmark = pytest.mark.live
ENDS = [sys.executable, "-m", "tests.live.websocket_ends"]
CASES = [
    ("websockets", "websockets", "compressed", True),
    ("websockets", "aiohttp", "plain", False),
    ("aiohttp", "websockets", "compressed", False),
    ("aiohttp", "aiohttp", "plain", True),
]


@pytest.mark.parametrize(("server", "client", "compression", "tls"), CASES)
def test_both_ends_show_every_message(
    capture: Capture, certificate: Path, server: str, client: str, compression: str, *, tls: bool
) -> None:
    pem = str(certificate) if tls else ""
    path = f"/{server}-{client}-{compression}"
    serving = subprocess.Popen([*ENDS, "server", server, compression, pem], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert serving.stdin is not None
    assert serving.stdout is not None
    with serving:
        port = json.loads(serving.stdout.readline())["port"]
        url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{path}"
        subprocess.run([*ENDS, "client", client, compression, pem, url], check=True, timeout=PATIENCE)
        record = json.loads(serving.stdout.readline())["seen"]
        serving.stdin.close()
    found = capture.wait_for(2, lambda transaction: transaction["request"]["path"] == path)
    assert sorted(map(is_server, found)) == [False, True]
    for transaction in found:
        assert transaction["response"]["status"] == 101
        assert "incomplete" not in transaction
        sent, came = texts(transaction, "client"), texts(transaction, "server")
        assert sent == record
        assert sent[:COUNT] == [spelled(said(n)) for n in range(COUNT)]
        assert came == [spelled(answer) for answer in answers()][: len(record)]
        messages = transaction["websocket"]["messages"]
        assert {message["type"] for message in messages} >= {"text", "binary", "close"}
        assert any(message.get("compressed") for message in messages) == (compression == "compressed")
    ours, theirs = found
    if not tls:
        assert ours["metadata"]["peer_request_id"] == theirs["metadata"]["request_id"]

"""The connection lines: what TCP counted, TLS that hides its plaintext, protocols that are not HTTP."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.live.program import Capture, Fields, until
from tests.live.servers import recorder
from tests.live.wires import port_of, say, server_context, wire

pytestmark = pytest.mark.live


def ends(capture: Capture, port: int) -> list[Fields]:
    """Give the closing reports of the connections to `port`, the client's first."""

    def found() -> list[Fields]:
        closed = [line for line in capture.of("connection") if line["finalized"]]
        return [line for line in closed if line["destination"].get("address", {}).get("port") == port]

    until(lambda: len(found()) >= 2, f"the ends of the connection to {port}: {capture.of('connection')}")
    return sorted(found(), key=lambda line: str(line["direction"]))


def test_http_says_what_tcp_moved_and_that_all_of_it_was_seen(capture: Capture) -> None:
    with recorder() as server:
        port = int(server.server_address[1])
        asking = HTTPConnection("127.0.0.1", port)
        asking.request("GET", "/?size=70000", headers={"Connection": "close"})
        assert len(asking.getresponse().read()) == 70_000
        asking.close()
    client, served = ends(capture, port)
    assert client["bytesReceived"] == served["bytesSent"] > 70_000
    assert client["bytesSent"] == served["bytesReceived"] > 50
    assert not {"bytesSentUnseen", "bytesReceivedUnseen"} & {*client, *served}
    assert (client["l7Protocol"], client["part"], served["direction"]) == ("http1", 1, "ingress")


def test_tls_that_carries_something_else_says_so(capture: Capture, certificate: Path) -> None:
    with wire(pem=certificate) as (client, server):
        port = port_of(server)
        say(client, server, b"\x00no http\n")
        say(server, client, b"\x00indeed not\n")
    for line in ends(capture, port):
        assert (line["tlsVersion"], line["l7Protocol"]) == (772, "other")
        assert line["tlsCipher"] >> 8 == 0x13
        assert line["meta"]["tlsProbeTypesDetected"] == ["openssl"]
        assert "incomplete" not in line
        assert line["bytesSent"] > 100


def test_tls_that_nothing_shows_is_seen_by_its_hellos(capture: Capture, certificate: Path) -> None:
    asking, asked, answered = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2"])
    theirs = context.wrap_bio(ssl.MemoryBIO(), asking, server_hostname="hidden.example")
    ours = server_context(certificate).wrap_bio(asked, answered, server_side=True)
    with wire() as (client, server):
        port = port_of(server)
        with pytest.raises(ssl.SSLWantReadError):
            theirs.do_handshake()
        say(client, server, hello := asking.read())
        asked.write(hello)
        with pytest.raises(ssl.SSLWantReadError):
            ours.do_handshake()
        say(server, client, answered.read())
    for line in ends(capture, port):
        assert (line["serverName"], line["tlsVersion"], line["l7Protocol"]) == ("hidden.example", 772, "other")
        assert (line["alpn"], line["tlsCipher"] >> 8) == (["h2"], 0x13)
        assert line["incomplete"] == ["plaintext_not_seen"]
        assert line["meta"]["endpointId"] == "hidden.example"


def test_a_server_that_speaks_first_is_known_as_the_server(capture: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listener.accept()
            served.sendall(b"220 mail\r\n")
            assert client.recv(100) == b"220 mail\r\n"
            client.sendall(b"QUIT\r\n")
            assert served.recv(100) == b"QUIT\r\n"
            served.close()
            assert client.recv(100) == b""
    client_end, server_end = ends(capture, port)
    assert (client_end["direction"], server_end["direction"]) == ("egress-internal", "ingress")
    assert (client_end["bytesSent"], client_end["bytesReceived"]) == (6, 10)
    assert (server_end["bytesSent"], server_end["bytesReceived"]) == (10, 6)
    assert client_end["l7Protocol"] == "other"

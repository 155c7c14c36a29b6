"""Hellos of a real TLS library, whole, cut off and damaged."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qtap.wire import tls_hello
from qtap.wire.tls_hello import Hello, parse


def client_hello(
    name: str = "Web-1.Example", protocols: tuple[str, ...] = ("h2", "http/1.1"), **versions: ssl.TLSVersion
) -> bytes:
    sent = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for which, version in versions.items():
        setattr(context, which, version)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name or None).do_handshake()
    return sent.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("hello")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def answer(server: ssl.SSLContext, asked: bytes) -> bytes:
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    received.write(asked)
    with pytest.raises(ssl.SSLWantReadError):
        server.wrap_bio(received, sent, server_side=True).do_handshake()
    flight = sent.read()
    return flight[: tls_hello.record_length(flight)]


def test_a_client_says_whom_it_asks_and_what_it_speaks() -> None:
    assert parse(client_hello()) == Hello(
        from_client=True, version=0x0304, server_name="web-1.example", alpn=("h2", "http/1.1")
    )
    assert parse(client_hello("", ())) == Hello(from_client=True, version=0x0304)
    assert parse(client_hello("127.0.0.1", (), maximum_version=ssl.TLSVersion.TLSv1_2)) == Hello(
        from_client=True, version=0x0303
    )


def test_a_server_says_which_version_it_chose_and_its_protocol_before_1_3(server: ssl.SSLContext) -> None:
    latest = parse(answer(server, client_hello()))
    older = parse(answer(server, client_hello(maximum_version=ssl.TLSVersion.TLSv1_2)))
    assert latest is not None
    assert older is not None
    assert (latest.from_client, latest.version, latest.alpn, latest.cipher >> 8) == (False, 0x0304, (), 0x13)
    assert (older.from_client, older.version, older.alpn) == (False, 0x0303, ("http/1.1",))
    assert older.cipher >> 8 == 0xC0


def test_a_hello_that_is_cut_off_says_what_came_before() -> None:
    whole = client_hello()
    known = parse(whole)
    found = [parse(whole[:length]) for length in range(len(whole))]
    assert all(one is None for one in found[:11])
    for one in filter(None, found):
        assert one.server_name in {"", "web-1.example"}
        assert set(one.alpn) <= {"h2", "http/1.1"}
    assert parse(whole + b"more") == known


@pytest.mark.parametrize("name", [b"a b", b"\xffx", b"a/b", b'a"', b"x" * 256, b""])
def test_what_no_name_can_be_is_none(name: bytes) -> None:
    whole = client_hello("n" * 20)
    at = whole.index(b"n" * 20)
    damaged = bytearray(whole)
    damaged[at - 2 : at] = len(name).to_bytes(2, "big")
    damaged[at : at + 20] = name.ljust(20, b"\0")[:20]
    said = parse(bytes(damaged))
    assert said is not None
    assert said.server_name == ""


def test_reserved_values_are_passed_over() -> None:
    whole = client_hello(protocols=("h2", "zz"))
    said = parse(whole.replace(b"\x02zz", b"\x02\x8a\x8a").replace(b"\x03\x04", b"\x8a\x8a"))
    assert said is not None
    assert said.alpn == ("h2",)
    assert said.version == 0x0303


@given(st.binary(max_size=400))
@example(b"\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03")
def test_no_bytes_make_it_fail(data: bytes) -> None:
    for start in (
        b"",
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + bytes(32),
        b"\x16\x03\x03\x01\x00\x02\x00\x00\xfc\x03\x03",
    ):
        said = parse(start + data)
        assert said is None or (len(said.alpn) <= 16 and len(said.server_name) <= 255)


@given(st.data())
def test_a_damaged_hello_of_a_real_client_does_no_harm(data: st.DataObject) -> None:
    damaged = bytearray(_REAL)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    said = parse(bytes(damaged))
    assert said is None or said.server_name.isascii()


_REAL = client_hello()

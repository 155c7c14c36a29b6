"""The agent in a JVM: when it is loaded, when it goes, and which JVMs are left alone."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qtap.capture.java import jar
from tests.live.asking import Ask, asks
from tests.live.comparing import compare, describe, expect
from tests.live.jvms import Jvm, asker, javas, jvm
from tests.live.program import Capture, Fields, is_server, until
from tests.live.servers import Seen, recorder
from tests.live.wires import port_of, say, wire

pytestmark = [pytest.mark.live]

JAVA = next(iter(javas().values()), "java")
NOBODY = 65534
MARKS = (0x8F5E61C3A07D42B9, 0x1B94D7E2503CF68A)


@pytest.fixture(scope="module", autouse=True)
def agent() -> None:
    """Make the agent's jar, as `make setup` does."""
    jar.main()


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    """Capture Java for those that need no beginning or end of their own, and come last for it."""
    jar.main()
    with Capture("--java") as running:
        yield running


def some(ident: str, count: int = 12) -> list[Ask]:
    return list(asks(ident, count))


def compare_clients(transactions: list[Fields], record: list[Seen]) -> None:
    """See that the client's end shows just what the server wrote down; a server in a read shows less."""
    ours = [transaction for transaction in transactions if not is_server(transaction)]
    assert [transaction for transaction in ours if "incomplete" in transaction] == []
    assert {seen.id: seen for seen in map(describe, ours)} == {seen.id: expect(seen) for seen in record}
    assert len(ours) == len(record)


def has_agent(program: Jvm) -> bool:
    """Whether the agent's thread runs."""
    return any(name.read_text() == "qtap-jsse\n" for name in Path(f"/proc/{program.pid}/task").glob("*/comm"))


def files_for_attaching() -> set[Path]:
    return {path for pattern in (".qtap-*", ".attach_pid*") for path in Path("/tmp").glob(pattern)}  # noqa: S108


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """See that no file for attaching stays in /tmp; other captures on this host may have theirs there."""
    before = files_for_attaching()
    yield
    until(lambda: files_for_attaching() <= before, "files stay in /tmp")


@pytest.mark.usefixtures("nothing_left")
def test_open_connections_are_captured_by_one_capture_after_another(certificate: Path) -> None:
    with (
        recorder(certificate) as server,
        jvm(*asker(JAVA, "h1", server.url, certificate)) as one,
        jvm(*asker(JAVA, "url", server.url, certificate)) as other,
    ):
        for turn in ("before", "first", "between", "second"):
            server.seen.clear()
            if turn in ("before", "between"):
                ask_both(one, other, turn)
                continue
            with Capture("--java") as capture:
                assert "JSSE of 2 JVMs" in capture.log
                ask_both(one, other, turn)
            compare_clients(capture.transactions, server.seen)
            until(lambda: not has_agent(one) and not has_agent(other), "the agent stays")


def ask_both(one: Jvm, other: Jvm, turn: str) -> None:
    one.ask(some(f"one-{turn}"))
    other.ask(some(f"other-{turn}"))


@pytest.mark.usefixtures("nothing_left")
def test_two_captures_share_the_agent_and_it_goes_with_the_last_one_however_that_ends(certificate: Path) -> None:
    with recorder(certificate) as server, jvm(*asker(JAVA, "h1", server.url, certificate, 4)) as client:
        with Capture("--java") as one, Capture("--java") as other:
            client.ask(some("both"))
            one.kill()
            time.sleep(0.2)
            assert has_agent(client)
            client.ask(some("other"))
            other.wait_for(2 * len(server.seen), lambda _: True)
            other.kill()
            until(lambda: not has_agent(client), "the agent stays")
        compare(other.transactions, server.seen)


def test_a_jvm_that_is_not_selected_is_left_alone(certificate: Path) -> None:
    with recorder(certificate) as server, jvm(*asker(JAVA, "url", server.url, certificate)) as client:
        client.ask(some("before", 1))
        with (
            Capture("--java", "--exe", "/no/such/program", only_us=False) as capture,
            jvm(*asker(JAVA, "url", server.url, certificate)) as later,
        ):
            later.ask(some("during", 1))
            assert not has_agent(client)
            assert not has_agent(later)
            assert "JSSE of 0 JVMs" in capture.log
        assert not Path(f"/tmp/.java_pid{client.pid}").exists()  # noqa: S108  the JVM's


def test_a_jvm_of_another_user_that_has_just_begun_is_captured(capture: Capture, certificate: Path) -> None:
    with recorder(certificate) as server, TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copy(certificate.with_name("cert.pem"), folder)
        with jvm(*asker(JAVA, "url", server.url, Path(folder) / "server.pem"), user=NOBODY) as client:
            client.wait_until_captured(capture)
            client.ask(some("nobody"))
            client.end()
        found = capture.wait_for(
            2 * len(server.seen), lambda transaction: "nobody" in transaction["request"]["headers"]["X-Id"]
        )
        compare(found, server.seen)


@pytest.mark.parametrize("option", ["-XX:+DisableAttachMechanism", "-Xrs"])
def test_a_jvm_that_cannot_be_asked_is_named_with_the_reason_and_goes_on(
    capture: Capture, certificate: Path, option: str
) -> None:
    with recorder(certificate) as server, jvm(*asker(JAVA, "url", server.url, certificate), options=[option]) as client:
        until(lambda: f"no Java TLS of process {client.pid}: the JVM was started with {option}" in capture.log, option)
        client.ask(some(f"refused{option}", 1))
        client.end()


def test_a_process_without_an_agent_is_not_believed(capture: Capture) -> None:
    plaintext = b"GET /forged HTTP/1.1\r\nHost: forged\r\n\r\n"
    head = struct.pack("<QQQQiIBB6x32x", *MARKS, 1, 0, -1, len(plaintext), 0, 0)
    with Path("/dev/null").open("wb", buffering=0) as sink:
        sink.writelines([head + plaintext] * 20)
    with wire() as (client, server):  # what is told later is read later
        say(client, server, b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        say(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
        capture.both_ends(port_of(client))
    assert [transaction for transaction in capture.transactions if transaction["request"].get("path") == "/forged"] == []

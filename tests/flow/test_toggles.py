from __future__ import annotations

import pytest

from qtap.flow.toggles import TraceError, parse


@pytest.mark.parametrize(
    ("text", "exe", "traced"),
    [
        ("mod:socket,exe:/usr/bin/curl", "/usr/bin/curl", "socket"),
        ("mod:socket,exe:/usr/bin/curl", "/usr/bin/curl2", ""),
        ("mod:socket,exe:*", "", "socket"),
        ("mod:socket,exe.contains:bin/c", "/usr/bin/curl", "socket"),
        ("mod:socket,exe.contains:BIN", "/usr/bin/curl", ""),
        ("mod:socket,exe.startsWith:/usr", "/usr/bin/curl", "socket"),
        ("mod:socket,exe.startsWith:usr", "/usr/bin/curl", ""),
        ("mod:socket,exe.endsWith:/curl", "/usr/bin/curl", "socket"),
        ("mod:socket,exe.endsWith:/cur", "/usr/bin/curl", ""),
        ("exe:/nothing, exe.endsWith:curl ,mod:openssl,mod:socket", "/usr/bin/curl", "socket"),
        ("mod:protocol,exe:*", "/usr/bin/curl", ""),
        ("mod:socket", "/usr/bin/curl", ""),
        ("exe:*", "/usr/bin/curl", ""),
        ("", "/usr/bin/curl", ""),
    ],
)
def test_a_line_is_written_for_a_module_and_a_program_that_are_named(text: str, exe: str, traced: str) -> None:
    assert parse(text).module(("socket",), exe) == traced


def test_nothing_can_be_printed_without_both() -> None:
    assert parse("mod:socket,exe:*").prints
    assert not parse("mod:socket").prints
    assert not parse("exe:*").prints


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("socket", "invalid toggle format: socket"),
        ("mod:socket,exe", "invalid toggle format: exe"),
        ("mod:socket:exe", "invalid toggle format: mod:socket:exe"),
        ("mod:", "invalid toggle format: mod:"),
        ("exe.like:x", "invalid toggle format: exe.like:x"),
        ("mod:sockets", "invalid component: sockets"),
        ("exe:*,mod:Socket", "invalid component: Socket"),
    ],
)
def test_what_is_not_understood_is_named(text: str, error: str) -> None:
    with pytest.raises(TraceError) as raised:
        parse(text)
    assert str(raised.value) == error

"""The whole program in a terminal: tmux, live capture, a request, a look at its body, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.kernel import held_by
from tests.live.program import PROGRAM, until
from tests.live.servers import recorder

pytestmark = pytest.mark.live


class Tmux:
    """A tmux server of its own, with one shell in it."""

    def __init__(self, socket: Path, columns: int, lines: int) -> None:
        self._command = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        size = ["-x", str(columns), "-y", str(lines)]
        self.run("new-session", "-d", *size, "env", "PS1=done> ", "bash", "--norc", "--noprofile")

    def run(self, *command: str) -> str:
        return subprocess.run([*self._command, *command], capture_output=True, text=True, check=True).stdout

    @property
    def shown(self) -> str:
        """What stands on the screen."""
        return self.run("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def wait_for(self, text: str) -> None:
        try:
            until(lambda: text in self.shown, text)
        except AssertionError:
            pytest.fail(f"{text!r} is not shown, but:\n{self.shown}", pytrace=False)


@pytest.fixture(params=[(80, 24), (200, 50)], ids=["80x24", "200x50"])
def tmux(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path / "tmux", *request.param)
    yield terminal
    terminal.run("kill-server")


def test_a_request_is_shown_opened_and_left_without_a_trace(tmux: Tmux, certificate: Path) -> None:
    tmux.wait_for("done>")
    tmux.keys("stty -g", "Enter")
    until(lambda: tmux.shown.count("done>") == 2, "stty did not answer")
    settings = [line for line in tmux.shown.splitlines() if line.count(":") > 10]
    assert settings
    tmux.keys(f"clear; {PROGRAM} --pid {os.getpid()}; left=$?; stty -g; echo status=$left", "Enter")
    tmux.wait_for("LIVE")
    held = held_by(program_below(int(tmux.run("display-message", "-p", "#{pane_pid}"))))
    assert held.programs
    with recorder(certificate) as server:
        body = ["--data", '{"answer": "forty-two [bold]"}', "--output", "/dev/null"]
        subprocess.run(["curl", "--silent", "--cacert", certificate, *body, f"{server.url}/orders/17"], check=True)
        tmux.wait_for("/orders/17")
    tmux.keys("Enter")
    tmux.wait_for("Other end")
    tmux.keys("Right")
    tmux.wait_for("x-PEER-port")
    tmux.keys("Right", "Right")
    tmux.wait_for('"answer": "forty-two [bold]"')
    tmux.keys("q", "q")
    tmux.wait_for("status=0")
    assert tmux.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").split() == ["0", "1", "0"]
    assert [line for line in tmux.shown.splitlines() if line.count(":") > 10] == settings
    until(lambda: not held.left, f"left in the kernel: {held.left}")


def program_below(pid: int) -> int:
    """Give the one child of a shell."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

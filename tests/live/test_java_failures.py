"""What goes wrong in the agent, want of memory included, stays in the agent: the program's own calls are made as ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qtap.capture.java import jar
from qtap.capture.java.agents import Agents
from tests.live.asking import asks
from tests.live.jvms import asker, javas, jvm
from tests.live.servers import recorder

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("javac"), reason="needs javac")]

JAVA = next(iter(javas().values()), "java")
ASKS = 20


class Deaf:
    """Takes what a JVM tells for nothing."""

    def listen_to_jvm(self, pid: int, since: int) -> None:
        """Believe it."""

    def ignore_jvm(self, pid: int) -> None:
        """Believe it no longer."""


def test_a_program_without_memory_for_the_agent_loses_no_request(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Path(shutil.copytree(jar._FOLDER, tmp_path / "agent"))  # noqa: SLF001
    source, beginning = sources / "sun/security/ssl/QtapHandle.java", "static QtapHandle of(Object endpoint) {"
    assert source.read_text().count(beginning) == 1
    source.write_text(source.read_text().replace(beginning, f"{beginning} if (true) throw new OutOfMemoryError();"))
    monkeypatch.setattr(jar, "_FOLDER", sources)
    monkeypatch.setattr(jar, "JAR", tmp_path / "agent.jar")
    jar.build(tmp_path / "agent.jar")
    agents = Agents(Deaf(), lambda _pid: True)
    with recorder(certificate) as server, jvm(*asker(JAVA, "url", server.url, certificate)) as program:
        agents.started(program.pid).join()
        assert agents.count == 1
        program.ask(asks("memory", ASKS))
        program.end()
        agents.stop()
        assert len(server.seen) == ASKS

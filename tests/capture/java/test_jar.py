"""The agent's jar is made from its sources, always the same, and never used when it is not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from qtap.capture.java import jar


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it, besides the one that `make setup` built."""
    target = tmp_path_factory.mktemp("jar") / "agent.jar"
    jar.build(target)
    return target


def test_the_same_javac_makes_the_same_bytes(built: Path) -> None:
    assert built.read_bytes() == jar.agent_jar()


def test_it_holds_the_agent_and_what_it_puts_beside_jsse_for_java_11(built: Path) -> None:
    with zipfile.ZipFile(built) as file:
        names = file.namelist()
        assert f"{jar.AGENT_CLASS.replace('.', '/')}.class" in names
        assert "sun/security/ssl/QtapPlaintext.class" in names
        assert {file.read(name)[6:8] for name in names if name.endswith(".class")} == {b"\0\x37"}


def test_one_that_is_missing_or_older_than_its_sources_is_refused(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jar, "JAR", tmp_path / "agent.jar")
    with pytest.raises(jar.JarError, match="was not built here"):
        jar.agent_jar()
    monkeypatch.setattr(jar, "JAR", built)
    assert jar.agent_jar() == built.read_bytes()
    monkeypatch.setattr(jar, "AGENT_CLASS", "qtap.jsse.v2.Agent")
    with pytest.raises(jar.JarError, match="older than its sources"):
        jar.agent_jar()


def test_without_javac_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(jar.JarError, match="install a JDK"):
        jar.build(tmp_path / "agent.jar")

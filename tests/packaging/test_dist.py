"""What would be published installs into an empty environment and is whole there."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import qtap
from qtap.capture.java.jar import JAR
from tests.packaging.conftest import ROOT, Installed, Run

KINDS = pytest.mark.parametrize("kind", ["wheel", "sdist"])


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@KINDS
def test_the_command_runs_from_anywhere_and_names_its_version(installed: Installed, run: Run, kind: str) -> None:
    assert run(installed(kind), "--version").startswith(f"qtap-tui {qtap.__version__} (Python ")


@KINDS
def test_every_dependency_is_declared_and_locked(installed: Installed, run: Run, kind: str) -> None:
    python = installed(kind).with_name("python")
    assert run(sys.executable, "-m", "pip", "--python", python, "check") == "No broken requirements found.\n"


@KINDS
def test_the_kernel_programs_and_the_themes_come_along(installed: Installed, run: Run, kind: str) -> None:
    python = installed(kind).with_name("python")
    code = "import qtap, qtap_tui; print(qtap.__path__[0], qtap_tui.__path__[0])"
    engine, screen = map(Path, run(python, "-c", code).split())
    assert installed(kind).parents[1] in engine.parents
    assert files_below(engine / "_data/bpf") == files_below(ROOT / "bpf")
    assert files_below(screen / "_data/themes") == files_below(ROOT / "themes")


@KINDS
def test_the_agent_for_java_comes_along_and_fits_its_sources(installed: Installed, run: Run, kind: str) -> None:
    code = "from qtap.capture.java.jar import agent_jar; import sys; sys.stdout.write(agent_jar().hex())"
    assert run(installed(kind).with_name("python"), "-c", code) == JAR.read_bytes().hex()


def test_the_sdist_builds_the_wheel_of_the_checkout_byte_for_byte(built: dict[str, Path]) -> None:
    assert built["wheel of sdist"].name == built["wheel"].name
    assert built["wheel of sdist"].read_bytes() == built["wheel"].read_bytes()


def test_the_wheel_says_what_it_is_and_holds_its_licenses(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        info = f"qtap_tui-{qtap.__version__}.dist-info"
        metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
        assert metadata["License-Expression"] == "Apache-2.0 AND (Apache-2.0 OR GPL-2.0-only)"
        for name in metadata.get_all("License-File", []):
            assert wheel.read(f"{info}/licenses/{name}") == (ROOT / name).read_bytes()
        assert metadata.get_all("License-File") == ["LICENSE", "bpf/LICENSE", "bpf/LICENSE.GPL-2.0"]


def test_no_dependency_is_the_bcc_of_pypi_which_is_about_crystal_lattices() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert "\nbcc==" not in (ROOT / lock).read_text()


def test_nothing_of_the_working_tree_leaks_into_the_archives(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {Path(name).parts[1] for name in sdist.getnames()}
    assert names == {
        "core", "tui", "bpf", "themes", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", ".gitignore", "PKG-INFO",
    }  # fmt: skip


def test_every_kernel_source_names_both_its_licenses_in_its_first_line() -> None:
    sources = [*(ROOT / "bpf").rglob("*.c"), *(ROOT / "bpf").rglob("*.h")]
    assert len(sources) > 5
    for source in sources:
        with source.open() as file:
            assert "SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only" in file.readline(), source

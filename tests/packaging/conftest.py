"""A copy of this checkout to set up, and environments that hold nothing but the program, installed from what was built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from qtap.capture.java import jar

ROOT = Path(__file__).parents[2]

Run = Callable[..., str]
Installed = Callable[[str], Path]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a program as a user's shell would, nothing of this environment on its way; give its output, fail with its errors."""
    inherited = (
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "VENV",
        "PYTHON",
        "PREFIX",
        "BINDIR",
        "SUDO",
        "ARGS",
    )
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    environment["PIP_NO_COMPILE"] = "0"  # pip's way to say that it shall not: half of an installation's time, for nothing here

    def run(*command: str | Path, cwd: Path = Path("/")) -> str:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def copy_checkout(run: Run) -> Callable[[Path], Path]:
    """Copy what git would: every file that it tracks, or would track, as it is now."""

    def copy(target: Path) -> Path:
        for name in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
            if name and (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        return target

    return copy


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, run: Run) -> dict[str, Path]:
    """Build what would be published: the sdist, the wheel of the checkout, and the wheel that comes out of the sdist."""
    jar.main()  # as `make setup` does
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    run(*build, folder, ROOT)
    run(*build, folder / "checkout", "--wheel", ROOT)
    (sdist,), (again,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl"), (folder / "checkout").glob("*.whl")
    return {"sdist": sdist, "wheel": wheel, "wheel of sdist": again}


@pytest.fixture(scope="session")
def installed(built: dict[str, Path], run: Run, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give the command `qtap-tui` of an environment that holds only the locked packages and the `wheel` or the `sdist`."""

    @cache
    def install(kind: str) -> Path:
        environment = tmp_path_factory.mktemp(kind)
        run(sys.executable, "-m", "venv", "--without-pip", environment)
        pip = [sys.executable, "-m", "pip", "--python", environment / "bin/python", "--quiet", "install"]
        run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock")
        run(*pip, "--no-deps", "--no-build-isolation", built[kind])
        return environment / "bin/qtap-tui"

    return install

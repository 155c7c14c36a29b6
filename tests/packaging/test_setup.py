"""The targets that set up, start and install, each in a fresh copy of this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import qtap
from tests.packaging.conftest import Run

Copy = Callable[[Path], Path]

ISOLATED = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
can_isolate = subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def checkout(copy_checkout: Copy, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set a fresh copy up by its first start."""
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    assert "preparing .venv from requirements.lock" in run("make", "run", "ARGS=--version", "SUDO=", cwd=folder)
    return folder


@pytest.mark.skipif(not can_isolate, reason="this host lets nobody make a namespace without network")
def test_a_second_start_installs_nothing_and_touches_no_network(checkout: Path, run: Run) -> None:
    started = run(*ISOLATED, "make", "run", "ARGS=--version", "SUDO=", cwd=checkout)
    assert len(started.splitlines()) == 1
    assert started.startswith(f"qtap-tui {qtap.__version__} ")


def test_the_program_in_the_environment_runs_the_working_tree(checkout: Path, run: Run) -> None:
    code = "import qtap, qtap_tui; print(qtap.__file__, qtap_tui.__file__)"
    found = run(checkout / ".venv/bin/python", "-c", code).split()
    assert found == [str(checkout / "core/qtap/__init__.py"), str(checkout / "tui/qtap_tui/__init__.py")]


def test_a_new_lock_or_a_moved_checkout_is_set_up_again(checkout: Path, run: Run) -> None:
    lock = checkout / "requirements.lock"
    lock.write_text(lock.read_text() + "\n# another\n")
    assert "preparing" in run("make", "demo", "ARGS=--version", cwd=checkout)
    assert "preparing" not in run("make", "demo", "ARGS=--version", cwd=checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    try:
        assert "preparing" in run("make", "demo", "ARGS=--version", cwd=moved)
    finally:
        moved.rename(checkout)
        run("make", "demo", "ARGS=--version", cwd=checkout)


def test_an_installation_for_all_users_runs_without_the_checkout_and_goes_away_whole(
    checkout: Path, run: Run, tmp_path: Path
) -> None:
    where = [f"PREFIX={tmp_path}/opt/qtap-tui", f"BINDIR={tmp_path}/bin", "SUDO="]
    run("make", "install", *where, cwd=checkout)
    source = checkout / "core"
    hidden = source.rename(checkout / "hidden")
    try:
        assert run(tmp_path / "bin/qtap-tui", "--version").startswith(f"qtap-tui {qtap.__version__} ")
    finally:
        hidden.rename(source)
    run("make", "uninstall", *where, cwd=checkout)
    assert not [path for path in tmp_path.rglob("*") if path.name not in ("opt", "bin")]


@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_a_folder_that_holds_something_else_is_neither_installed_into_nor_removed(
    checkout: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "precious").touch()
    command = ["make", target, f"PREFIX={tmp_path}", f"BINDIR={tmp_path}", "SUDO="]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{tmp_path} exists and is not an environment that this script made" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


class Machine:
    """A host with only the commands that are put on it; what `apt-get` is asked to do is written down."""

    def __init__(self, checkout: Path, bin_folder: Path) -> None:
        self.checkout, self._bin = checkout, bin_folder
        self.asked = bin_folder / "asked"
        bin_folder.mkdir()
        for tool in ("sh", "cat", "sha256sum", "cut", "dirname", "env", "paste"):
            (bin_folder / tool).symlink_to(shutil.which(tool) or tool)

    def put(self, name: str, script: str) -> None:
        (self._bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._bin / name).chmod(0o755)

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        command, variables = [str(self.checkout / ".ci/setup"), "test"], {"PATH": str(self._bin), **environment}
        return subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(copy_checkout: Copy, tmp_path: Path) -> Machine:
    machine = Machine(copy_checkout(tmp_path / "checkout"), tmp_path / "bin")
    machine.put("id", "echo 0")
    return machine


def test_on_another_system_it_prints_the_commands_to_type_and_leaves_nothing_half_done(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 1
    assert "missing here: " in done.stderr
    assert "; this is not a Debian system" in done.stderr
    for manager in ("apt-get install --no-install-recommends ", "dnf install ", "pacman -S --needed "):
        line = next(line for line in done.stderr.splitlines() if manager in line)
        assert {"curl", "gcc", "openssl", "tmux"} <= set(line.partition(manager)[2].split())
    assert not (machine.checkout / ".venv").exists()


def test_without_the_right_to_install_apt_is_not_touched(machine: Machine) -> None:
    machine.put("id", "echo 1000")
    machine.put("apt-get", f"touch {machine.asked}")
    done = machine.setup()
    assert done.returncode == 1
    assert "installing needs root. Type the line for this system" in done.stderr
    assert not machine.asked.exists()
    assert not (machine.checkout / ".venv").exists()


def test_someone_with_sudo_installs_through_it(machine: Machine) -> None:
    machine.put("id", "echo 1000")
    machine.put("sudo", f'echo "sudo $*" >> {machine.asked}; [ "$1" = -v ] || exec "$@"')
    machine.put("apt-get", "exit 0")
    machine.setup()
    validated, renewed, installed = machine.asked.read_text().splitlines()
    assert (validated, renewed) == ("sudo -v", "sudo apt-get update -qq")
    assert "apt-get install" in installed


def test_debian_gets_only_the_packages_that_are_missing(machine: Machine) -> None:
    machine.put("curl", "exit 0")
    machine.put("apt-get", f'echo "$*" >> {machine.asked}')
    done = machine.setup()
    update, install = machine.asked.read_text().splitlines()
    assert update == "update -qq"
    assert {"openssl", "tmux"} <= set(install.split())
    assert "curl" not in install.split()
    missing = done.stderr.partition("; installing did not bring them")[0].split()
    assert {"openssl", "tmux"} <= set(missing)
    assert "curl" not in missing
    assert done.returncode == 1


def test_a_failing_apt_ends_in_the_commands_to_type(machine: Machine) -> None:
    machine.put("apt-get", "echo 'E: no network' >&2; exit 100")
    done = machine.setup()
    assert done.returncode == 1
    assert "E: no network" in done.stderr
    assert "apt could not install it. Type the line for this system" in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_refused_by_name(machine: Machine) -> None:
    machine.put("python3.9", "exit 1")
    done = machine.setup(PYTHON="python3.9")
    assert done.returncode == 1
    assert done.stderr.startswith("qtap-tui: Python 3.11 or newer is needed, and none of these is: python3.9.")

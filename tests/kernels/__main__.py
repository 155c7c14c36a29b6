"""The command: `python -m tests.kernels [VERSION…] [-- --load | -- PYTEST…]`; `make test-kernels` calls it.

Without paths for pytest the suites of `_SUITES` run. `--load` only asks each kernel whether it takes every program.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from qtap.capture.compiler import CompileError
from tests.kernels.guest import GuestError, run
from tests.kernels.packages import RELEASES, PackageError, kernel
from tests.kernels.vmlinux import programs

_ROOT = Path(__file__).parents[2]
_CACHE = "/var/cache/qtap-tui"
_SUITES = (
    *("wire_shapes", "unseen_ways", "connections", "limits", "names", "config", "levels", "trace"),
    *("selection", "new_libraries", "open_connections", "full_ring", "ring"),
    *("memory_bios", "custom_bio", "reused_handles", "ssl_sendfile", "static", "gnutls_nss", "node", "go"),
)
"""Of tests/live: those of every way to capture that a kernel has its part in, in 20 minutes."""
_PATIENCE = 8
"""How many times longer things take under emulation, at most."""


def main() -> None:
    """Run the tests under each kernel in turn, and say at the end how each went; exit status 1 when one failed."""
    parser = argparse.ArgumentParser(prog="make test-kernels", description=__doc__)
    parser.add_argument("kernels", nargs="*", choices=[*RELEASES, []], metavar="VERSION", help=f"of {', '.join(RELEASES)}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the guest ends, too
    ours, theirs = _split(sys.argv[1:])
    versions = parser.parse_args(ours).kernels or list(RELEASES)
    results = {version: _try(version, theirs) for version in versions}
    for version, result in results.items():
        _say(f"Linux {version}: {result or 'passed'}")
    sys.exit(1 if any(results.values()) else 0)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def _try(version: str, arguments: list[str]) -> str:
    """Give what went wrong; empty when all tests passed."""
    began = time.monotonic()
    try:
        found = kernel(version)
        _say(f"Linux {found.release} under qemu")
        status = run(found, _script(arguments, programs(found)))
    except (PackageError, CompileError, GuestError) as error:
        return f"FAILED, {error}"
    _say(f"Linux {found.release} took {time.monotonic() - began:.0f} seconds")
    return f"FAILED, pytest ended with {status}" if status else ""


def _script(arguments: list[str], programs: Path) -> str:
    if arguments == ["--load"]:
        command = [sys.executable, "-m", "tests.kernels.load"]
    else:
        chosen = any((_ROOT / argument.partition("::")[0]).exists() for argument in arguments)
        paths = [] if chosen else [f"tests/live/test_{name}.py" for name in _SUITES]
        command = [sys.executable, "-m", "pytest", "-m", "live and not matrix", "-p", "no:cacheprovider", *paths, *arguments]
    environment = {
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "QTAP_REQUIRE_LIVE": "1",
        "QTAP_TEST_PATIENCE": str(_PATIENCE),
    }
    set_up = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    # The program believes only what root has written.
    kept = [f"mkdir -p {_CACHE}", f"cp {shlex.quote(str(programs))}/*.json {_CACHE}"]
    return "\n".join(["ulimit -n 4096", *set_up, *kept, f"cd {shlex.quote(str(_ROOT))}", f"exec {shlex.join(command)}", ""])


def _say(text: str) -> None:
    print(f"qtap-tui: {text}", flush=True)


main()

"""What every test run shares: how long hypothesis looks, and what becomes of live tests on a host that cannot capture.

There the live tests are left out and the run closes with one loud line that says which and why. Under
QTAP_REQUIRE_LIVE=1, which `.ci/run` sets, each of them fails instead.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from qtap.capture.checks import can_capture

# No test is timed: the machine that runs them has other things to do.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("quick"), max_examples=10_000)
settings.load_profile("quick")

# What live tests share makes their assertions; they speak only if this comes before any test imports it.
pytest.register_assert_rewrite("tests.live.comparing", "tests.live.program")

_CANNOT = pytest.StashKey[str]()
_LEFT_OUT = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask once whether this host can capture, when a live test is to run at all."""
    live = [item for item in items if item.get_closest_marker("live")]
    reason = can_capture() if live else ""
    config.stash[_CANNOT] = reason
    if reason and not _required():
        files = ", ".join(sorted({item.location[0] for item in live}))
        config.stash[_LEFT_OUT] = f"LIVE TESTS DID NOT RUN: {len(live)} in {files}, because {reason}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a live test out, or fail it, before its fixtures start servers."""
    reason = item.config.stash[_CANNOT]
    if reason and item.get_closest_marker("live"):
        if _required():
            pytest.fail(f"QTAP_REQUIRE_LIVE=1, but this host cannot capture: {reason}", pytrace=False)
        pytest.skip(reason)


def _required() -> bool:
    return os.environ.get("QTAP_REQUIRE_LIVE") == "1"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close with the line about what did not run, below pytest's own summary."""
    line = config.stash.get(_LEFT_OUT, "")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if line and isinstance(reporter, pytest.TerminalReporter):
        reporter.write_line(f"!!! {line}", red=True, bold=True)

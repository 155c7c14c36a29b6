from __future__ import annotations

import pytest

from qtap.capture.engine import Engine
from qtap.capture.verdict import Verdict
from qtap.config.filters import SKIP, Filter, Filters
from qtap.flow.policy import Policy
from qtap.flow.selection import Selection
from qtap.model import Process

NONE = Selection()
SHELL = Selection(exes=("the-shell",))
NO_CURL = Filters((Filter("/curl"), Filter("/wget", skip=SKIP["tls"]), Filter("/fetch", skip=SKIP["http"])))
REFUSED = Verdict(allowed=False, selected=False)


class Kernel(Engine):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[int, Verdict] = {}

    def decide(self, executed_at: int, verdict: Verdict) -> None:
        self.told[executed_at] = verdict


def executes(policy: Policy, pid: int, exe: str, *, selected: bool) -> tuple[Verdict, Verdict | None]:
    """Let a process execute a program; give what was decided, and what the kernel was told."""
    kernel = Kernel()
    verdict = policy.executed(kernel, Process(pid, exe=exe), 77, selected=selected)
    return verdict, kernel.told.get(77)


def test_without_selection_and_filters_nobody_asks() -> None:
    policy = Policy(NONE, Filters())
    assert not policy
    assert executes(policy, 1, "/bin/curl", selected=True) == (Verdict(), None)
    assert policy.wants(1)
    assert policy.reads(1, tls=True)


@pytest.mark.parametrize(
    ("exe", "wanted", "plain", "tls"),
    [
        ("/bin/curl", False, False, False),
        ("/bin/wget", True, True, False),
        ("/bin/fetch", True, False, False),
        ("/bin/nginx", True, True, True),
    ],
)
def test_a_filter_leaves_out_what_it_says(exe: str, wanted: bool, plain: bool, tls: bool) -> None:
    policy = Policy(NONE, NO_CURL)
    verdict, told = executes(policy, 1, exe, selected=True)
    assert verdict == told
    assert (policy.wants(1), policy.reads(1, tls=False), policy.reads(1, tls=True)) == (wanted, plain, tls)


def test_what_is_selected_is_captured_as_far_as_no_filter_leaves_it_out() -> None:
    policy = Policy(SHELL, NO_CURL)
    assert executes(policy, 1, "/bin/the-shell", selected=False)[1] == Verdict()
    assert executes(policy, 2, "/bin/curl", selected=True)[1] == Verdict(allowed=False, skip=15)
    assert executes(policy, 3, "/bin/curl", selected=False)[1] == REFUSED
    assert executes(policy, 4, "/bin/nginx", selected=False)[1] == REFUSED


def test_a_program_that_follows_a_filtered_one_is_captured_again() -> None:
    policy = Policy(SHELL, NO_CURL)
    assert not executes(policy, 1, "/bin/curl", selected=True)[0].allowed
    assert executes(policy, 1, "/bin/nginx", selected=False)[1] == Verdict(), "its descent was forgotten"


def test_children_inherit_what_the_kernel_had_not_heard_of_yet() -> None:
    policy = Policy(NONE, NO_CURL)
    executes(policy, 1, "/bin/curl", selected=True)
    policy.forked(1, 2)
    assert not policy.wants(2)
    policy.exited(2)
    assert policy.wants(2)

from __future__ import annotations

import re

import pytest

from qtap.config.filters import GROUPS, SKIP, SKIP_ALL, STRATEGIES, Filter, Filters


@pytest.mark.parametrize(
    ("strategy", "exe", "path", "matches"),
    [
        ("exact", "/usr/bin/curl", "/usr/bin/curl", True),
        ("exact", "/usr/bin/CURL", "/usr/bin/curl", True),
        ("exact", "curl", "/usr/bin/curl", False),
        ("prefix", "/USR/bin", "/usr/bin/curl", True),
        ("prefix", "bin", "/usr/bin/curl", False),
        ("suffix", "Curl", "/usr/bin/curl", True),
        ("suffix", "/usr", "/usr/bin/curl", False),
        ("contains", "BIN/c", "/usr/bin/curl", True),
        ("contains", "sbin", "/usr/bin/curl", False),
        ("regex", "b.n/c", "/usr/bin/curl", True),
        ("regex", "^bin", "/usr/bin/curl", False),
        ("regex", "CURL", "/usr/bin/curl", False),
    ],
)
def test_a_strategy_compares_paths_in_any_letter_case_unless_it_is_a_pattern(
    strategy: str, exe: str, path: str, matches: bool
) -> None:
    assert Filters((Filter(exe, strategy),)).skipped(path) == (SKIP_ALL if matches else 0)
    assert strategy in STRATEGIES


def test_the_first_rule_that_matches_decides_and_groups_come_last() -> None:
    rules = (Filter("runc", skip=SKIP["tls"]), Filter("runc", skip=SKIP["http"]))
    filters = Filters(rules, ("container", "eks"))
    assert filters.skipped("/usr/bin/runc") == SKIP["tls"]
    assert filters.skipped("/usr/bin/containerd") == SKIP_ALL
    assert filters.skipped("/usr/bin/amazon-ssm-agent") == SKIP_ALL
    assert filters.skipped("/opt/bin/containerd") == 0


def test_a_group_is_a_list_of_whole_paths() -> None:
    assert GROUPS["container"] == GROUPS["container-runtimes"]
    assert all(path.startswith("/") for paths in GROUPS.values() for path in paths)


def test_without_rules_there_is_nothing_to_ask() -> None:
    assert not Filters()
    assert not Filters((), ("qpoint",))
    assert Filters((), ("gke",))


def test_a_pattern_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(re.error):
        Filters((Filter("(", "regex"),))

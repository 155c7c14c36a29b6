"""The configuration file: what is wrong in it is named with its line and column, and nothing is ignored in silence."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from qtap.config.document import ConfigError
from qtap.config.filters import SKIP, SKIP_ALL, Filter
from qtap.config.schema import load, parse
from qtap.config.tap import DIRECTIONS, Tap

SAMPLE = """\
version: 2
services:
  event_stores:
    - {id: ev, type: stdout}
rulekit:
  macros: []
stacks:
  main: {plugins: [{type: access_logs}]}
tap:
  direction: egress-external
  ignore_loopback: true
  audit_include_dns: false
  http: {stack: main}
  filters:
    groups:
      - container
    custom:
      - {exe: curl, strategy: suffix, only: [dns, http]}
      - exe: ^/opt/
        strategy: regex
  endpoints: [{domain: api.example.com, http: {stack: main}}]
tags: []
control: {default: allow}
"""


def test_a_file_of_qtap_says_what_to_capture_and_each_section_without_effect_is_named_by_its_line() -> None:
    tap, warnings = parse(SAMPLE, "c.yaml")
    rules = (Filter("curl", "suffix", SKIP["dns"] | SKIP["http"]), Filter("^/opt/", "regex", SKIP_ALL))
    assert tap == Tap("egress-external", ignore_loopback=True, rules=rules, groups=("container",))
    assert [str(warning).partition(" by this")[0] for warning in warnings] == [
        "c.yaml:2: services is not acted on",
        "c.yaml:5: rulekit is not acted on",
        "c.yaml:7: stacks is not acted on",
        "c.yaml:13: tap.http is not acted on",
        "c.yaml:21: tap.endpoints is not acted on",
        "c.yaml:22: tags is not acted on",
        "c.yaml:23: control is not acted on",
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "tap:\n", "tap: {filters: , direction: }", "tap: {filters: {groups: , custom: }}"]
)
def test_what_is_empty_captures_everything(text: str) -> None:
    assert parse(text, "c.yaml") == (Tap(), [])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("tpa: {}\n", ["1:1: key 'tpa' is not known in the configuration; did you mean 'tap'?"]),
        ("tap:\n  directon: all\n", ["2:3: key 'directon' is not known in tap; did you mean 'direction'?"]),
        ("tap:\n  Filters: {}\n", ["2:3: key 'Filters' is not known in tap; did you mean 'filters'?"]),
        ("tap: {filters: {xyz: 1}}", ["1:17: key 'xyz' is not known in tap.filters; known are: groups, custom"]),
        ("tap: {? [a] : 1}", ["1:9: key 'a list' is not known in tap; known are: "]),
        ("tap: {direction: egres}", ["1:18: tap.direction 'egres' is not known; did you mean 'egress'?"]),
        ("tap: {direction: in}", ["1:18: tap.direction 'in' is not known; "]),
        ("tap: {direction: [all]}", ["1:18: tap.direction is a string, not a list"]),
        ("tap:\n  ignore_loopback: 'true'", ["2:20: tap.ignore_loopback is true or false, not 'true'"]),
        ("tap:\n  audit_include_dns: 1", ["2:22: tap.audit_include_dns is true or false, not '1'"]),
        ("tap: []", ["1:6: tap is a mapping of keys to values, not a list"]),
        ("[]", ["1:1: the configuration is a mapping of keys to values, not a list"]),
        ("version: two", ["1:10: version is a whole number, not 'two'"]),
        ("tap: {filters: {groups: container}}", ["1:25: tap.filters.groups is a list, not 'container'"]),
        ("tap: {filters: {groups: [ekz]}}", ["1:26: the filter group 'ekz' is not known; did you mean 'eks'?"]),
        (
            "tap: {filters: {groups: [x]}}",
            ["1:26: the filter group 'x' is not known; known are: container, container-runtimes, kubernetes, gke, eks, qpoint"],
        ),
        ("tap: {filters: {custom: [{strategy: exact}]}}", ["1:26: a custom filter needs exe, a path or a part of one"]),
        ("tap: {filters: {custom: [{exe: ''}]}}", ["1:32: a custom filter needs exe, a path or a part of one"]),
        ("tap: {filters: {custom: [curl]}}", ["1:26: a custom filter is a mapping", "1:26: a custom filter needs exe"]),
        (
            "tap: {filters: {custom: [{exe: a, strategy: glob}]}}",
            ["1:45: the strategy 'glob' is not known; known are: exact, prefix, suffix, contains, regex"],
        ),
        ("tap: {filters: {custom: [{exe: a, only: [tsl]}]}}", ["1:42: what to skip 'tsl' is not known; did you mean 'tls'?"]),
        ("tap: {filters: {custom: [{exe: '(', strategy: regex}]}}", ["1:32: exe is no regular expression: missing )"]),
        ("tap: {direction: all, direction: egress}", ["1:23: 'direction' stands twice in tap"]),
        ("tap:\n\tdirection: all", ["2:1: this is no YAML: "]),
        ("tap: {direction: all", ["1:21: this is no YAML: "]),
        ("a: 1\n---\nb: 2\n", ["2:1: this is no YAML: "]),
        ("tap: *nothing", ["1:6: this is no YAML: found undefined alias"]),
        pytest.param("[" * 100_000, ["1:1: this is no YAML: it is nested too deeply"], id="too deep"),
        ("tap: \x07", ["1:1: this is no YAML: "]),
        (
            "taps: 1\ntap:\n  direction: up\n  filters:\n    groups: [a, gke]\n",
            ["1:1: key 'taps'", "3:14: tap.direction 'up'", "5:14: the filter group 'a'"],
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_a_sentence_with_its_line_and_column(text: str, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text, "c.yaml")
    lines = str(raised.value).splitlines()
    assert [line for line, start in zip(lines, problems, strict=True) if not line.startswith(f"c.yaml:{start}")] == []


def test_every_direction_of_qtap_is_known() -> None:
    for direction in DIRECTIONS:
        assert parse(f"tap: {{direction: {direction}}}", "c").tap.direction == direction


def test_lenient_makes_a_warning_of_an_unknown_key_and_of_nothing_else() -> None:
    tap, warnings = parse("new: 1\ntap: {direction: egress, newer: 2}", "c.yaml", lenient=True)
    assert tap.direction == "egress"
    assert [str(warning).partition(" in ")[0] for warning in warnings] == [
        "c.yaml:1: key 'new' is not known",
        "c.yaml:2: key 'newer' is not known",
    ]
    with pytest.raises(ConfigError):
        parse("tap: {direction: up}", "c.yaml", lenient=True)


def test_dns_that_is_asked_for_and_another_version_are_warned_of() -> None:
    _, warnings = parse("version: 3\ntap: {audit_include_dns: yes}", "c.yaml")
    assert [(warning.line, warning.text.partition(" ")[0]) for warning in warnings] == [
        (1, "version"),
        (2, "tap.audit_include_dns"),
    ]


def test_mappings_are_merged_and_their_own_keys_are_stronger() -> None:
    text = "tags: &base {direction: ingress, ignore_loopback: true}\ntap: {<<: *base, direction: egress}"
    assert parse(text, "c").tap == Tap("egress", ignore_loopback=True)
    assert parse("tap: &a {<<: [*a, {<<: *a, direction: egress}]}", "c").tap == Tap("egress")


def test_a_file_is_read_whole_or_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text("tap: {direction: ingress}")
    assert load(str(tmp_path / "c.yaml")).tap.direction == "ingress"
    (tmp_path / "latin.yaml").write_bytes(b"version: 2\ntap: \xe9")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"tap: 1")))
    reasons = {
        str(tmp_path / "none.yaml"): "none.yaml: the configuration cannot be read: No such file or directory",
        str(tmp_path): ": the configuration cannot be read: Is a directory",
        "/dev/zero": "/dev/zero: a configuration has at most 4194304 bytes",
        str(tmp_path / "latin.yaml"): "latin.yaml:2:6: this is no YAML: it is not UTF-8",
        "-": "<stdin>:1:6: tap is a mapping",
    }
    for path, reason in reasons.items():
        with pytest.raises(ConfigError, match=r".") as raised:
            load(path)
        assert reason in str(raised.value)

"""The configuration file (spec qtap.md 1.1 and 1.7): what is acted on, and a warning for each section that is not."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from qtap.config.document import ConfigError, Document, Problem
from qtap.config.filters import GROUPS, SKIP, SKIP_ALL, STRATEGIES, Filter
from qtap.config.tap import DIRECTIONS, Tap

_VERSION = 2
_NOT_ACTED_ON = {
    "services": "events go to stdout",
    "stacks": "every transaction is reported at the level of --level",
    "rulekit": "no rule is evaluated",
    "tags": "no tag is added",
    "control": "everything is allowed",
}
_TAP = ("direction", "ignore_loopback", "audit_include_dns", "filters")
_STACKS = ("http", "redis", "mysql", "postgres", "kafka", "endpoints")
_LARGEST = 4 << 20
"""Bytes of a file; a large one of real use has 20 KB."""


class Loaded(NamedTuple):
    """A file that can be used."""

    tap: Tap
    warnings: list[Problem]


def load(path: str, *, lenient: bool = False) -> Loaded:
    """Read the file at `path`, `-` for standard input; raises ConfigError with everything that is wrong in it."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ConfigError([Problem(name, 0, 0, f"a configuration has at most {_LARGEST} bytes")])
        text = raw.decode()
    except OSError as error:
        raise ConfigError([Problem(name, 0, 0, f"the configuration cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start)
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1)
        raise ConfigError([Problem(name, line + 1, column + 1, "this is no YAML: it is not UTF-8")]) from None
    return parse(text, name, lenient=lenient)


def parse(text: str, name: str, *, lenient: bool = False) -> Loaded:
    """Read a configuration; raises ConfigError with everything that is wrong in it."""
    document = Document(name, text, lenient=lenient)
    sections = document.mapping(document.root, "the configuration", ("version", "tap", *_NOT_ACTED_ON))
    if "version" in sections:
        node = sections["version"][1]
        if (version := document.number(node, "version", _VERSION)) != _VERSION:
            document.warn(node, f"version {version} is read as version {_VERSION}")
    for section, instead in _NOT_ACTED_ON.items():
        if section in sections:
            document.warn(sections[section][0], f"{section} is not acted on by this version: {instead}")
    tap = _tap(document, sections["tap"][1]) if "tap" in sections else Tap()
    # What two places merge is wrong once.
    problems = sorted(dict.fromkeys(document.problems), key=lambda problem: (problem.line, problem.column))
    if errors := [problem for problem in problems if problem.is_error]:
        raise ConfigError(errors)
    return Loaded(tap, problems)


def _tap(document: Document, node: yaml.Node) -> Tap:
    fields = document.mapping(node, "tap", (*_TAP, *_STACKS))
    for name in _STACKS:
        if name in fields:
            instead = "every stack's traffic is treated alike" if name == "endpoints" else "HTTP is captured, nothing else"
            document.warn(fields[name][0], f"tap.{name} is not acted on by this version: {instead}")
    values = {name: value for name, (_, value) in fields.items()}
    rules, groups = _filters(document, values.get("filters"))
    if document.flag(values.get("audit_include_dns"), "tap.audit_include_dns"):
        document.warn(
            fields["audit_include_dns"][0], "tap.audit_include_dns is not acted on by this version: no DNS is reported"
        )
    return Tap(
        direction=document.choice(values.get("direction"), "tap.direction", DIRECTIONS, "all"),
        ignore_loopback=document.flag(values.get("ignore_loopback"), "tap.ignore_loopback"),
        rules=rules,
        groups=groups,
    )


def _filters(document: Document, node: yaml.Node | None) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    fields = document.mapping(node, "tap.filters", ("groups", "custom"))
    values = {name: value for name, (_, value) in fields.items()}
    where = "tap.filters.groups"
    groups = [document.choice(item, "the filter group", GROUPS) for item in document.sequence(values.get("groups"), where)]
    rules = [_rule(document, item) for item in document.sequence(values.get("custom"), "tap.filters.custom")]
    return tuple(filter(None, rules)), tuple(filter(None, groups))


def _rule(document: Document, node: yaml.Node) -> Filter | None:
    fields = document.mapping(node, "a custom filter", ("exe", "strategy", "only"))
    values = {name: value for name, (_, value) in fields.items()}
    exe = document.text(values.get("exe"), "exe")
    if not exe:
        document.error(values.get("exe", node), "a custom filter needs exe, a path or a part of one")
        return None
    only = [document.choice(item, "what to skip", SKIP) for item in document.sequence(values.get("only"), "only")]
    skip = sum(SKIP[name] for name in {*only} - {""}) or SKIP_ALL
    rule = Filter(exe, document.choice(values.get("strategy"), "the strategy", STRATEGIES, "suffix"), skip)
    try:
        rule.matcher()
    except re.error as error:
        document.error(values["exe"], f"exe is no regular expression: {error}")
        return None
    return rule

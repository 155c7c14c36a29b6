"""A YAML document whose every part knows its line and column, and the list of what is wrong in it.

Schemas read values one by one and go on after a mistake, so that one look at a file finds all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool", "true or false"
_INT = "tag:yaml.org,2002:int", "a whole number"
_TRUE = ("true", "yes", "on")


class Problem(NamedTuple):
    """Something that is wrong in a file, or not acted on; lines and columns count from 1, 0 stands for the whole file."""

    file: str
    line: int
    column: int
    text: str
    is_error: bool = True

    def __str__(self) -> str:
        """Give one sentence; a warning is about a line as a whole."""
        places = (self.file, self.line, self.column) if self.is_error else (self.file, self.line)
        where = ":".join(str(place) for place in places if place)
        return f"{where}: {self.text}"


class ConfigError(Exception):
    """A configuration cannot be used; the text has one line for each error."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Document:
    """One file being read."""

    def __init__(self, file: str, text: str, *, lenient: bool = False) -> None:
        """Raise ConfigError when `text` is no YAML document. `lenient`: keys that nobody knows are warnings."""
        self.problems: list[Problem] = []
        self._file = file
        self._lenient = lenient
        try:
            self.root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise ConfigError([Problem(file, line, column, f"this is no YAML: {error.problem or error.context}")]) from None
        except (yaml.YAMLError, RecursionError) as error:
            what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
            raise ConfigError([Problem(file, 1, 1, f"this is no YAML: {what}")]) from None

    def error(self, node: yaml.Node, text: str) -> None:
        """Take note of a mistake at `node`."""
        self.problems.append(Problem(self._file, node.start_mark.line + 1, node.start_mark.column + 1, text))

    def warn(self, node: yaml.Node, text: str) -> None:
        """Take note of something that the user should know."""
        self.problems.append(Problem(self._file, node.start_mark.line + 1, node.start_mark.column + 1, text, is_error=False))

    def mapping(self, node: yaml.Node | None, where: str, known: Iterable[str]) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Give key and value nodes by key; those that are not `known`, or come twice, are told of and left out."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        names = tuple(known)
        for part in self._merged(node, where):
            own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
            for key, value in part.value:
                if key.tag == _MERGE:
                    continue
                if key.value in names and key.value not in own:
                    own[key.value] = key, value
                elif key.value in names:
                    self.error(key, f"{key.value!r} stands twice in {where}")
                else:
                    self._unknown(key, where, names)
            found = own | found
        return found

    def _merged(self, node: yaml.Node | None, where: str) -> Iterator[yaml.MappingNode]:
        """Give a mapping and those that `<<` brings into it (YAML 1.1's merge key), each once, the strongest first."""
        waiting = [] if node is None or _is_null(node) else [node]
        seen: set[int] = set()
        while waiting:
            part = waiting.pop(0)
            if id(part) in seen:
                continue
            seen.add(id(part))
            if not isinstance(part, yaml.MappingNode):
                self.error(part, f"{where} is a mapping of keys to values, not {_kind(part)}")
                continue
            for value in (value for key, value in part.value if key.tag == _MERGE):
                waiting += value.value if isinstance(value, yaml.SequenceNode) else [value]
            yield part

    def sequence(self, node: yaml.Node | None, where: str) -> Iterator[yaml.Node]:
        """Give the items of a list."""
        if node is None or _is_null(node):
            return
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        else:
            self.error(node, f"{where} is a list, not {_kind(node)}")

    def text(self, node: yaml.Node | None, where: str, default: str = "") -> str:
        """Read a string; a number is one, too."""
        if node is None or _is_null(node):
            return default
        if not isinstance(node, yaml.ScalarNode):
            self.error(node, f"{where} is a string, not {_kind(node)}")
            return default
        return str(node.value)

    def choice(self, node: yaml.Node | None, where: str, known: Iterable[str], default: str = "") -> str:
        """Read one of the strings `known`."""
        value, names = self.text(node, where), tuple(known)
        if not value:
            return default
        if node is not None and value not in names:
            self.error(node, f"{where} {value!r} is not known{_nearest(value, names)}")
            return default
        return value

    def flag(self, node: yaml.Node | None, where: str) -> bool:
        """Read `true` or `false`."""
        return self._scalar(node, where, _BOOL).lower() in _TRUE

    def number(self, node: yaml.Node | None, where: str, default: int) -> int:
        """Read a whole number."""
        value = self._scalar(node, where, _INT)
        return int(value) if value.isdecimal() else default

    def _scalar(self, node: yaml.Node | None, where: str, kind: tuple[str, str]) -> str:
        tag, what = kind
        if node is None or _is_null(node):
            return ""
        if node.tag == tag:
            return str(node.value)
        self.error(node, f"{where} is {what}, not {_kind(node)}")
        return ""

    def _unknown(self, key: yaml.Node, where: str, names: tuple[str, ...]) -> None:
        tell = self.warn if self._lenient else self.error
        text = key.value if isinstance(key, yaml.ScalarNode) else _kind(key)
        ignored = " and ignored" if self._lenient else ""
        tell(key, f"key {text!r} is not known in {where}{ignored}{_nearest(str(text), names)}")


def _nearest(value: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value.lower(), [name.lower() for name in names], 1)
    for name in names:
        if near and name.lower() == near[0]:
            return f"; did you mean {name!r}?"
    return f"; known are: {', '.join(names)}" if names else ""


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == _NULL)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(node.value)

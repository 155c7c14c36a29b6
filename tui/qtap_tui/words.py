"""The words of the filter: what a row must hold for each of them.

A word is looked for in what the list shows of a row (its line), in the addresses and ports of both ends, and in the headers and
trailers of both messages. A number of at most three digits is a status, a pid or a part of a name: headers, where half of all
dates and tags would hold it, are left alone then. `status:5xx`, or `5xx` alone, and the other words of `FIELDS` look at one
place only, with `=` for the colon too; `name:value` with any other name fits a header of that name too.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import NamedTuple

from qtap.model import Connection, Endpoint, Transaction

FIELDS = {
    "method": "begins with it",
    "host": "contains it",
    "path": "contains it, query included",
    "status": "begins with it: status:404, status:5xx",
    "process": "contains it",
    "pid": "is it",
    "container": "contains it, name or id",
    "port": "is it, at either end",
    "header": "contains it, name or value",
}
"""What a word of the form `field:text` asks of the place it names."""
METHOD, HOST, PATH, STATUS, PROCESS, PID, CONTAINER, _END = "\1\2\3\4\5\6\7\b"
"""Each stands before its part of a line; nobody types them."""
PARTS = {"host": (HOST, PATH), "path": (PATH, STATUS), "process": (PROCESS, PID), "container": (CONTAINER, _END)}
"""The marks between which a field lies whose needle may stand anywhere in it."""
_ASKED = re.compile(rf"({'|'.join(FIELDS)})([:=])(.*)", re.DOTALL)
_CLASS = re.compile(r"[1-5]xx")
_VALUES = {"status": re.compile(r"[1-5][0-9x]{0,2}|"), "pid": re.compile(r"[0-9]*"), "port": re.compile(r"[0-9]*")}
"""What may stand behind a field's `=`; with another value it is a query's: `?status=open`."""
_UNKNOWN = re.compile(r"([a-z][a-z_-]*)([:=]|[!<>]=?)\S+")
_ADDRESS = re.compile(r"[0-9a-f.:\[\]]*[.:][0-9a-f.:\[\]]*")
_SHORT_NUMBER = re.compile(r"[0-9]{1,3}")
_HEAD_SEEN = 1 << 18
"""Bytes of a head that are looked at: a hostile one of many megabytes costs no more."""


class Word(NamedTuple):
    """One word; a row fits where one of the needles that are not empty is found."""

    text: str
    field: str = ""
    """A key of FIELDS, or empty for a word that is looked for everywhere."""
    line: str = ""
    """Found in the line, or in the part of it that `field` names."""
    ends: str = ""
    """Found in the addresses."""
    head: bytes = b""
    """Found in a head or in trailers, in lower case."""
    named: re.Pattern[bytes] | None = None
    """A header of this name and value, likewise."""


def parse(text: str) -> tuple[Word, ...]:
    """Give the words of what was typed."""
    return tuple(map(word, text.lower().split()))


@lru_cache(maxsize=256)
def word(text: str) -> Word:
    """Make one word of a text in lower case."""
    if _CLASS.fullmatch(text):
        text = f"status:{text}"
    if asked := _ASKED.fullmatch(text):
        field, sign, value = asked.groups()
        if sign == ":" or field not in _VALUES or _VALUES[field].fullmatch(value):
            return _of_field(f"{field}:{value}", field, value)
    field, _, value = text.partition(":")
    short = _SHORT_NUMBER.fullmatch(text)
    named = re.compile(b"\n%b:[^\n]*%b" % (re.escape(field.encode()), re.escape(value.encode()))) if field and value else None
    ends = text if _ADDRESS.fullmatch(text) else ""
    return Word(text, line=text, ends=ends, head=b"" if short else text.encode(), named=named)


def _of_field(text: str, field: str, value: str) -> Word:
    if not value:
        return Word(text, field="method", line=METHOD)  # nothing is asked yet: every row has a method, an empty one too
    if field == "port":
        return Word(text, field, ends=f":{value} ")
    if field == "header":
        return Word(text, field, head=value.encode())
    needles = {"method": METHOD + value, "status": STATUS + value.rstrip("x"), "pid": f"{PID}{value}{CONTAINER}"}
    return Word(text, field, line=needles.get(field, value))


def doubt(words: tuple[Word, ...]) -> str:
    """Say of words that find nothing what may be wrong with one of them; empty when nothing seems to be."""
    for wanted in words:
        found = None if wanted.field else _UNKNOWN.fullmatch(wanted.text)
        if not found:
            continue
        name, sign = found.groups()
        if "://" in wanted.text:
            return "the host and the path of a URL are two words"
        if sign not in ":=":
            return f"{sign} compares nothing; write 5xx, or status:404"
        near = difflib.get_close_matches(name, FIELDS, n=1)
        if near:
            return f"there is no field {name}; did you mean {near[0]}:?"
        if sign == ":":
            return f"{name} is no field, and no header of that name fits"
    return ""


def narrows(old: Word, new: Word) -> bool:
    """Whether every row that fits `new` fits `old`."""
    if old == new:
        return True
    if old.field != new.field or old.field in ("pid", "port"):
        return False
    if (new.head and not old.head) or (new.ends and not old.ends):
        return False
    return new.text.startswith(old.text) if ":" in old.text else old.text in new.text


def line(transaction: Transaction) -> str:
    """Give what the list tells of a transaction, in lower case, each part behind its mark."""
    process = transaction.connection.process
    container = process.container
    who = _who(process.exe, process.comm, process.pid, container.name if container else "", container.id if container else "")
    return (
        f"{METHOD}{transaction.method}{HOST}{transaction.host}{PATH}{transaction.target}{STATUS}{transaction.status or ''}{who}"
    ).lower()


@lru_cache(maxsize=4096)
def _who(exe: str, comm: str, pid: int, container: str, container_id: str) -> str:
    name = exe.rpartition("/")[2] or comm
    return f"{PROCESS}{name}{PID}{pid}{CONTAINER}{container} {container_id}{_END}"


def ends(connection: Connection) -> str:
    """Give the addresses of a connection, each with its port and a blank behind it, in lower case."""
    return _ends(connection.local, connection.remote, connection.client)


@lru_cache(maxsize=8192)
def _ends(*endpoints: Endpoint) -> str:
    return "".join([f"{end} " for end in endpoints if end.ip]).lower()


def in_line(wanted: Word, text: str) -> bool:
    """Whether the word is found in a row's line."""
    if wanted.field in PARTS:
        begin, end = PARTS[wanted.field]
        at = text.find(begin)
        return text.find(wanted.line, at, text.find(end, at)) >= 0
    return wanted.line in text


def in_head(wanted: Word, transaction: Transaction) -> bool:
    """Whether the word is found in a header or a trailer."""
    sent, got = transaction.request, transaction.response
    text = b"\n".join((sent.head[:_HEAD_SEEN], sent.trailers, got.head[:_HEAD_SEEN], got.trailers)).lower()
    return wanted.head in text or (wanted.named is not None and wanted.named.search(text) is not None)


def fits_line(words: tuple[Word, ...], transaction: Transaction) -> bool:
    """Whether each word is found in the line or the addresses of a row."""
    text = line(transaction)
    for wanted in words:
        if not (wanted.line and in_line(wanted, text)) and not (wanted.ends and wanted.ends in ends(transaction.connection)):
            return False
    return True


def matches(transaction: Transaction, words: tuple[Word, ...]) -> bool:
    """Whether each word is found anywhere in a row."""
    text = line(transaction)
    for wanted in words:
        if wanted.line and in_line(wanted, text):
            continue
        if wanted.ends and wanted.ends in ends(transaction.connection):
            continue
        if not wanted.head or not in_head(wanted, transaction):
            return False
    return True

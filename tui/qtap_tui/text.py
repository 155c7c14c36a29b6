"""The one gate between captured text and the terminal.

Captured bytes are hostile: escape sequences, C1 controls, bidirectional overrides, zero-width characters, floods of combining
marks. Whatever is painted passes `clean`, which puts a visible sign in the place of each of them, one character for one, so
that positions in the text stay valid. The width of the result is the one that Rich's tables give, with no sequence in it whose
width depends on the terminal (joiners, variation selectors, skin tones, flags).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size, set_cell_size

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LEAST_NAME = 2
"""Cells for the name of a host; where less is left, only its end is shown."""
_LONGEST_TAIL = 8
_MAX_MARKS = 2
"""Combining marks kept on one character; Vietnamese and Hebrew need two."""
_PICTURES = 0x2400
"""Unicode's control pictures begin here: one for each C0 control, in order."""
_DELETE = 0x7F
_BLANK_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters without a shape, which Python calls printable."""
_UNSTABLE = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]")
"""Flags, skin tones, variation selectors: terminals disagree about the width of what they make of their neighbours."""
_MAY_BE_WIDE = re.compile(
    "[\u1100-\u115f\u231a-\u23ff\u25fd-\u27bf\u2b00-\u2bff\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f"
    "\uff00-\uff60\uffe0-\uffe6\U00016fe0-\U0003ffff]"
)


_FOLDERS = re.compile(r"(?<!\S)/(?:[^/, ]*/)*")
_HARMLESS = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02af\u2026\u2190-\u21ff\u2500-\u25ff\u2713\u2717]*")
"""Printable ASCII, Latin letters, and the signs that this program itself writes: nothing that `clean` would replace."""


def clean(text: str) -> str:
    """Give `text` with every character that a terminal could obey, hide or reorder by replaced by one that is seen."""
    if text.isprintable() and (text.isascii() or _HARMLESS.fullmatch(text)):
        return text
    out: list[str] = []
    marks = _MAX_MARKS  # a mark at the beginning would join whatever is painted before it
    for character in text:
        shown, is_mark = _shown(character)
        marks = marks + 1 if is_mark else 0
        out.append(shown if marks <= _MAX_MARKS else REPLACEMENT)
    return "".join(out)


@lru_cache(maxsize=4096)
def _shown(character: str) -> tuple[str, bool]:
    """Give what stands for `character`, and whether that is a mark on the one before."""
    code = ord(character)
    if code < ord(" "):
        return chr(_PICTURES + code), False
    if code == _DELETE:
        return "\N{SYMBOL FOR DELETE}", False
    if character.isspace():
        return " " if code in (0x20, 0xA0) else REPLACEMENT, False
    if not character.isprintable() or character in _BLANK_LETTERS or _UNSTABLE.match(character):
        return REPLACEMENT, False
    return character, get_character_cell_size(character) == 0


def cells(text: str) -> int:
    """Give the width of clean text."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Give `text` cleaned, in exactly `width` cells: padded, or cut with an ellipsis. Costs nothing for what is cut off."""
    text = clean(text[: width * (_MAX_MARKS + 1) + 3])
    size = cells(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width else ""
    padding = " " * (width - size)
    return padding + text if right else text + padding


def fit_host(text: str, width: int) -> str:
    """Give a host in exactly `width` cells; of one that is longer, the port and the beginning and the end of the name stay."""
    text = clean(text)
    if cells(text) <= width:
        return fit(text, width)
    name, colon, port = text.rpartition(":")
    port = colon + port if name and port.isdigit() else ""
    name = text.removesuffix(port)
    room = width - len(port) - 1
    if room < _LEAST_NAME or may_be_wide(name):
        return fit("…" + text[-(width - 1) :], width)
    tail = min(room // 2, _LONGEST_TAIL)
    return f"{fit(name[: room - tail], room - tail)}…{name[len(name) - tail :]}{port}"


def shorten(text: str, limit: int, where: str) -> str:
    """Give `text`, cut after `limit` characters with a note that says `where` the whole is."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more, see {where})"


def shortened(text: str, room: int) -> str:
    """Give a sentence in at most `room` cells.

    Folders go first, then the last members of a list, told by their number, then where the probes are; else the text is cut.
    """
    members = _FOLDERS.sub("", text).split(", ")
    most = min(len(members), room // 2 + 1)  # a host may have hundreds, of which each needs a comma
    shorter = [", ".join(members[:kept]) + _more(len(members) - kept) for kept in range(most, 0, -1)]
    fitting = (one for one in (text, *shorter, text.partition(" in ")[0]) if len(one) <= room)
    return next(fitting, "") or fit(text, room)


def _more(number: int) -> str:
    return f" +{number}" if number else ""


def may_be_wide(text: str) -> bool:
    """Whether some character of `text` may take two cells."""
    return not text.isascii() and _MAY_BE_WIDE.search(text) is not None


def from_bytes(raw: bytes) -> str:
    """Read bytes of a header: UTF-8, or Latin-1 as RFC 9110 section 5.5 remembers it. Not yet clean."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def from_latin(text: str) -> str:
    """Read text in which each character stands for one byte, as `Transaction.target` does. Not yet clean."""
    return text if text.isascii() else from_bytes(text.encode("latin-1", "replace"))

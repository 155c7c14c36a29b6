"""Text in the charset of its content type, else UTF-8, else windows-1252: the wrong letter is seen, never guessed away.

Charset names come from the network; only charsets known to decode in linear time are taken.
"""

from __future__ import annotations

import codecs
import contextlib
import re

from qtap_tui.bodies.view import Body
from qtap_tui.document import TextDocument

_CHARSET = re.compile(
    r"utf-?8|us-ascii|iso-?8859-?\d{1,2}|latin-?1|windows-125\d|cp125\d|koi8-[ru]|utf-?16(-?[lb]e)?|utf-?32(-?[lb]e)?"
    r"|shift[-_]jis|euc-jp|euc-kr|gbk|gb2312|gb18030|big5"
)
_LAST_RESORT = "cp1252"
_SAMPLE = 2048
_TEXTUAL = re.compile(r"text/|.*(json|xml|javascript|x-www-form-urlencoded|graphql|yaml|csv)")
_MAX_CONTROLS = 0.05
"""Share of control characters above which a body is no text."""
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\x1b")


def decode(body: Body) -> str:
    """Read the body as text."""
    return body.data.decode(charset(body), "replace")


def charset(body: Body) -> str:
    """Give the charset, in Python's name, that `decode` reads the body in."""
    name = body.charset.lower()
    if _CHARSET.fullmatch(name):
        with contextlib.suppress(LookupError):
            return codecs.lookup(name).name
    try:
        body.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A character cut in two at the end is no sign of another charset.
        return "utf-8-sig" if error.start >= len(body.data) - 3 else _LAST_RESORT
    return "utf-8-sig"


def charset_note(body: Body) -> str:
    """Say what is not as the sender said: bytes that are not in their charset, or one that is not known; else nothing."""
    name = charset(body)
    if name == _LAST_RESORT and body.charset.lower() not in ("windows-1252", "cp1252"):
        return "not UTF-8, read as windows-1252"
    try:
        body.data.decode(name)
    except UnicodeDecodeError as error:
        return "" if error.start >= len(body.data) - 3 else f"bytes that are not {name.removesuffix('-sig')} shown as �"
    return ""


def looks_like_text(data: bytes) -> bool:
    """Whether a sample of `data` has almost no control characters."""
    sample = data[:_SAMPLE]
    return len(sample) - len(sample.translate(None, _CONTROLS)) <= len(sample) * _MAX_CONTROLS


class TextView:
    """A body as it reads."""

    name = "text"

    def score(self, body: Body) -> int:
        """Fit what is called text or looks like it."""
        if not looks_like_text(body.data):
            return 5
        return 50 if not body.kind or _TEXTUAL.match(body.kind) else 20

    def document(self, body: Body) -> TextDocument:
        """Give the lines."""
        return TextDocument(decode(body))

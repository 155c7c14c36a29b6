"""Server-sent events (HTML Living Standard section 9.2): one heading an event, with its type and id, and its data below."""

from __future__ import annotations

import re

from qtap_tui.bodies import pretty_json
from qtap_tui.bodies.view import Body
from qtap_tui.document import Line, TextDocument

_LINE_END = re.compile(r"\r\n|\n|\r")
_HEADING = "▸ "
_COMMENT = "  : "
_STRANGE = "  ? "
"""A line that is no field of an event: clients ignore it."""


def events(text: str) -> str:
    """Give the events of a stream as text: a heading with number, type, id and retry, then data lines, indented.

    An event whose empty line has not come yet is shown with what there is.
    """
    out: list[str] = []
    data: list[str] = []
    comments: list[str] = []
    fields = {"event": "", "id": "", "retry": ""}
    number = 0
    for line in [*_LINE_END.split(text.removeprefix("\ufeff")), ""]:
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or any(fields.values()):
                number += 1
                told = "".join(f"  {key} {fields[key]}" for key in ("id", "retry") if fields[key])
                out += [f"{_HEADING}{number}  {fields['event'] or 'message'}{told}", *(f"  {each}" for each in data)]
            out += comments
            data, comments, fields = [], [], {"event": "", "id": "", "retry": ""}
        elif not name and colon:
            comments.append(_COMMENT + value)
        elif name == "data":
            data.append(value)
        elif name in fields:
            fields[name] = value
        else:
            comments.append(_STRANGE + line)
    return "\n".join(out)


def _colour(text: str) -> Line:
    if text.startswith(_HEADING):
        return (("key", text),)
    if text.startswith((_COMMENT, _STRANGE)):
        return (("dim", text),)
    return pretty_json.colour(text) if text.lstrip()[:1] in ("{", "[") else (("text", text),)


class EventStreamView:
    """Bodies of type text/event-stream, also while they grow."""

    name = "events"

    def score(self, body: Body) -> int:
        """Fit what says it is one."""
        return 90 if body.kind == "text/event-stream" else 0

    def document(self, body: Body) -> TextDocument:
        """Give the events; always UTF-8."""
        return TextDocument(events(body.data.decode("utf-8", "replace")), _colour)

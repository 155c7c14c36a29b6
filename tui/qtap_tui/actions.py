"""The registry of actions: footer, `?` help, command palette and the user's keymap all read it.

An action is carried out by the method `action_<method>` of what it belongs to: the application, the Requests screen, every
widget that shows lines, the list, the detail pane or the filter bar; `screen.` before the method names the screen instead.

All keys but those of the filter bar are obeyed in the order in which they come, before the next is looked at (Textual calls
that priority): over a slow link `/nginx` arrives in one piece, and the `n` must find the filter bar open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["app", "requests", "lines", "list", "detail", "filter", "copy", "columns"]

PLACES: dict[Place, str] = {
    "list": "In the list",
    "requests": "On this screen",
    "detail": "In the details",
    "filter": "In the filter",
    "copy": "After y",
    "columns": "After o",
    "lines": "Moving",
    "app": "Everywhere",
}
"""Where an action applies, in the order of the help."""

TOGETHER: tuple[tuple[Place, ...], ...] = (
    ("app", "requests", "list", "lines"),
    ("app", "requests", "detail", "lines"),
    ("app", "copy"),
    ("app", "columns"),
    ("app", "filter"),
)
"""Places whose keys apply at the same time, so that none may do two things."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something the user can do."""

    id: str
    """The place and a name, for example `list.open`; the user's keymap refers to it."""
    keys: str
    """Default keys, in Textual's names, separated by commas."""
    method: str
    """The action string, for example `move(1)`."""
    title: str
    """One or two words, for the footer."""
    help: str
    """One line."""
    footer: bool = False
    """Whether the footer shows it."""

    @property
    def place(self) -> str:
        """Where it applies."""
        return self.id.partition(".")[0]


ACTIONS = (
    Action("list.open", "enter", "screen.details", "Details", "Show everything known about the request", footer=True),
    Action("list.sort", "s", "sort", "Sort", "Sort by the marked column; again, the other way; then no more", footer=True),
    Action("list.columns", "o", "columns", "Columns", "Choose the columns and their order", footer=True),
    Action("list.mark_right", "right,l", "mark(1)", "Mark right", "Mark the next column, for the keys that sort and resize"),
    Action("list.mark_left", "left,h", "mark(-1)", "Mark left", "Mark the column before; the first time the last"),
    Action("list.wider", "greater_than_sign", "resize(1)", "Wider", "Make the marked column wider"),
    Action("list.narrower", "less_than_sign", "resize(-1)", "Narrower", "Make the marked column narrower"),
    Action("requests.filter", "slash", "filter", "Filter", "Filter by words in all but bodies, as said below", footer=True),
    Action("requests.follow", "f", "follow", "Follow", "Follow the newest request, or the top where sorted; or stop"),
    Action("requests.pause", "p", "pause", "Pause", "Let the list stand still, capture goes on; again: let go", footer=True),
    Action("requests.copy", "y", "copy", "Copy", "Copy the request as cURL, its URL or a body, or save one", footer=True),
    Action("requests.clear", "c", "clear", "Clear", "Forget every captured request, after asking"),
    Action("requests.zoom", "z", "zoom", "Zoom", "Give the whole screen to this pane, or back"),
    Action("requests.pane", "tab,shift+tab", "pane", "Other pane", "Go to the other pane"),
    Action("requests.back", "q", "back", "Back", "Go back: from the details, from a filter, from the program", footer=True),
    Action("requests.escape", "escape", "escape", "Back, stay", "Go back, but never leave the program"),
    Action("detail.next_tab", "right,l", "tab(1)", "Next tab", "Show the next tab", footer=True),
    Action("detail.previous_tab", "left,h", "tab(-1)", "Previous tab", "Show the previous tab"),
    Action("detail.view", "v", "view", "View as", "Show the body as JSON, text or hex", footer=True),
    Action("detail.next", "J", "step(1)", "Next", "Show the next request of the list", footer=True),
    Action("detail.previous", "K", "step(-1)", "Previous", "Show the previous request of the list"),
    Action("filter.keep", "enter,down", "screen.keep_filter", "Keep", "Keep the filter and go to the list", footer=True),
    Action("filter.drop", "escape", "screen.drop_filter", "Drop", "Clear the filter", footer=True),
    Action("copy.curl", "c", "copy('curl')", "cURL", "Copy a curl command that sends the request again", footer=True),
    Action("copy.url", "u", "copy('url')", "URL", "Copy the URL", footer=True),
    Action("copy.response", "b", "copy('response')", "Response body", "Copy the response body", footer=True),
    Action("copy.request", "r", "copy('request')", "Request body", "Copy the request body", footer=True),
    Action("copy.save_curl", "C", "save('curl')", "Save cURL", "Save the curl command in the current folder"),
    Action("copy.save_url", "U", "save('url')", "Save URL", "Save the URL in the current folder"),
    Action("copy.save_response", "B", "save('response')", "Save response", "Save the response body in the current folder"),
    Action("copy.save_request", "R", "save('request')", "Save request", "Save the request body in the current folder"),
    Action("copy.down", "down,j", "cursor(1)", "Down", "One line down in the menu"),
    Action("copy.up", "up,k", "cursor(-1)", "Up", "One line up in the menu"),
    Action("copy.choose", "enter", "choose", "Do it", "Copy or save what the cursor stands on", footer=True),
    Action("copy.leave", "escape,q,y", "dismiss", "Back", "Copy nothing"),
    Action("columns.switch", "space,x", "switch", "Show or not", "Show the column, or leave it out", footer=True),
    Action("columns.later", "J,shift+down", "shift(1)", "Later", "Let the column stand further right", footer=True),
    Action("columns.earlier", "K,shift+up", "shift(-1)", "Earlier", "Let the column stand further left", footer=True),
    Action("columns.automatic", "a", "automatic", "Automatic", "Show as many as there is room for, in their usual widths"),
    Action("columns.down", "down,j", "cursor(1)", "Down", "One line down among the columns"),
    Action("columns.up", "up,k", "cursor(-1)", "Up", "One line up among the columns"),
    Action("columns.keep", "enter", "keep", "Keep", "Show and save what was chosen", footer=True),
    Action("columns.leave", "escape,q,o", "dismiss", "Back", "Leave the columns as they were", footer=True),
    Action("lines.down", "down,j", "move(1)", "Down", "One line down"),
    Action("lines.up", "up,k", "move(-1)", "Up", "One line up; in the list this stops following"),
    Action("lines.page_down", "pagedown,ctrl+f,space", "page(1)", "Page down", "One page down"),
    Action("lines.page_up", "pageup,ctrl+b", "page(-1)", "Page up", "One page up"),
    Action("lines.half_down", "ctrl+d", "half(1)", "Half down", "Half a page down"),
    Action("lines.half_up", "ctrl+u", "half(-1)", "Half up", "Half a page up"),
    Action("lines.first", "g,home", "first", "First", "To the first line; in a sorted list this follows"),
    Action("lines.last", "G,end", "last", "Last", "To the last line; in the list, as it arrives, this follows"),
    Action("app.requests", "1", "requests", "Requests", "The list of requests"),
    Action("app.help", "question_mark,f1", "help", "Help", "Show every key", footer=True),
    Action("app.palette", "colon,ctrl+p", "command_palette", "Commands", "Find a command by its name"),
    Action("app.theme", "t", "next_theme", "Theme", "Change to the next theme"),
    Action("app.suspend", "ctrl+z", "suspend_process", "Suspend", "Stop and go back to the shell; `fg` returns"),
    Action("app.quit", "ctrl+q,ctrl+c", "quit", "Quit", "Leave the program"),
)  # fmt: skip

BY_ID = {action.id: action for action in ACTIONS}
_KEY_NAMES = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "escape": "Esc",
    "enter": "Enter",
    "down": "↓",
    "up": "↑",
    "right": "→",
    "left": "←",
    "tab": "Tab",
    "space": "Space",
    "home": "Home",
    "end": "End",
    "f1": "F1",
}


def bindings(place: Place) -> list[BindingType]:
    """Give the bindings of one place; their ids are the actions', so that a keymap can change the keys."""
    return [
        Binding(action.keys, action.method, action.title, id=action.id, show=action.footer, priority=action.place != "filter")
        for action in ACTIONS
        if action.place == place
    ]


def key_name(key: str) -> str:
    """Write one of Textual's key names as people do: `ctrl+d` is `^d`, `slash` is `/`."""
    if key.startswith("ctrl+"):
        return "^" + key[5:]
    if key.startswith("shift+"):
        return "⇧" + key_name(key[6:])
    return _KEY_NAMES.get(key, key)

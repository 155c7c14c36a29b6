"""The application: screens, themes, keys and commands; no logic."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.theme import Theme

from qtap_tui import keymap, themes
from qtap_tui.actions import ACTIONS, bindings
from qtap_tui.driver import TerminalDriver
from qtap_tui.feed import Feed
from qtap_tui.screens.help import HelpScreen
from qtap_tui.screens.requests import RequestsScreen
from qtap_tui.settings import SettingsError
from qtap_tui.themes import ThemeError

__all__ = ["QtapApp", "SettingsError", "run"]

_GARBAGE = (700, 10, 1000)
"""Thresholds of the collector. A full collection, which takes 40 ms where 100 000 rows are held, comes once in some minutes;
the rows hold no circles, so nothing waits for it but what Textual leaves behind."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class QtapApp(App[int]):
    """The screen over one feed."""

    TITLE = "qtap-tui"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self,
        feed: Feed,
        theme: Theme,
        *,
        keymap: Mapping[str, str] | None = None,
        capture_title: str = "",
        on_ready: Callable[[], None] | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        # With colours of the terminal's own Textual takes them off altogether for NO_COLOR, else it only makes them grey.
        super().__init__(driver_class=TerminalDriver, ansi_color=True if "NO_COLOR" in os.environ else None)
        self.animation_level = "none"
        self.register_theme(theme)
        self.theme = theme.name
        self._requests = RequestsScreen(feed, capture_title=capture_title, now=now)
        self._on_ready = on_ready
        self.set_keymap({**keymap} if keymap else {})

    def get_default_screen(self) -> Screen[None]:
        """Begin with the requests."""
        return self._requests

    def on_mount(self) -> None:
        """Say when the first picture stands; end cleanly at signals, and come back whole from a stop."""
        self.app_resume_signal.subscribe(self, self._paint_again)
        if self._on_ready:
            self.call_after_refresh(self._on_ready)
        if not self.is_headless:
            self.call_after_refresh(gc.freeze)  # what stands now stays: no collection looks at it again
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.add_signal_handler(number, self.exit)

    async def on_event(self, event: events.Event) -> None:
        """The first key ends the first line."""
        if isinstance(event, events.Key):
            self._requests.end_hint()
        await super().on_event(event)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer what the registry holds and the focused place can do."""
        for active in {active.binding.id: active for active in screen.active_bindings.values()}.values():
            action = next((action for action in ACTIONS if action.id == active.binding.id), None)
            if action is not None and action.id != "app.palette":
                node, method = active.node, action.method
                yield SystemCommand(action.title, action.help, lambda method=method, node=node: self._run(method, node))

    def action_requests(self) -> None:
        """Go to the Requests screen."""
        while self.screen is not self._requests:
            self.pop_screen()

    def action_help(self) -> None:
        """Show every key, or no longer."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self._keymap))

    def action_next_theme(self) -> None:
        """Change to the next theme that can be read and name it, or say what is wrong with one that cannot."""
        names = sorted(themes.files())
        at = names.index(self.theme) if self.theme in names else -1
        wrong = ""
        for step in range(1, len(names) + 1):
            try:
                theme = themes.load(names[(at + step) % len(names)])
            except ThemeError as error:
                wrong = str(error)
                continue
            self.register_theme(theme)
            self.theme = theme.name
            name = f"theme {theme.name} (to start with it: --theme {theme.name})"
            self.notify(wrong or name, severity="error" if wrong else "information", markup=False)
            return

    def _paint_again(self, _app: App[object]) -> None:
        self.screen.refresh(layout=True)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,  # noqa: ARG002 - Textual's signature
        markup: bool = True,  # noqa: ARG002 - nothing that is shown here is markup
    ) -> None:
        """Say something in the status line: a toast would cover rows and the line itself."""
        self._requests.say(f"{title}: {message}" if title else message, failed=severity == "error")

    def _run(self, method: str, node: object) -> None:
        self.call_later(self.run_action, method, node)


def run(feed: Feed, *, capture_title: str = "", theme: str | None = None, on_ready: Callable[[], None] | None = None) -> int:
    """Show `feed` until the user or a signal ends it; give the exit status, with the terminal as it was.

    `on_ready` is called on this thread as soon as the first picture stands: start the engine there. Signals INT, TERM and HUP
    end the screen. Raises SettingsError before anything is painted.
    """
    name = theme or (themes.WITHOUT_COLOUR if "NO_COLOR" in os.environ else themes.DEFAULT)
    app = QtapApp(feed, themes.load(name), keymap=keymap.load(), capture_title=capture_title, on_ready=on_ready)
    gc.set_threshold(*_GARBAGE)
    app.run()
    return app.return_code or 0

"""A question before something is lost."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from qtap_tui.widgets.bars import Bar


class ConfirmScreen(ModalScreen[bool]):
    """Asks `question`; gives True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", priority=True),
        Binding("n,escape,q", "answer(False)", "No", priority=True),
    ]
    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    #question { width: auto; min-width: 40; max-width: 90%; height: 4; padding: 1 2; background: $panel; }
    #question Bar { width: 50; max-width: 100%; }
    """

    def __init__(self, question: str, verb: str) -> None:
        super().__init__()
        self._question = question
        self._verb = verb

    def compose(self) -> ComposeResult:
        """The question above the answers."""
        question, answers = Bar(), Bar()
        question.show((("text", self._question),))
        answers.show((("key", "y Enter"), ("dim", f" {self._verb}   "), ("key", "n Esc"), ("dim", " Keep")))
        with Vertical(id="question"):
            yield question
            yield answers

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)

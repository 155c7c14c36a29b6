"""What a body view is given and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qtap_tui.document import Document


@dataclass(frozen=True, slots=True)
class Body:
    """One body after content decoding."""

    data: bytes
    kind: str = ""
    """Media type in lower case without parameters; empty when not told."""
    charset: str = ""
    """As the content type names it; empty when not told."""


class BodyView(Protocol):
    """A way to show bodies. It must take any bytes: a wrong guess is shown, never raised."""

    @property
    def name(self) -> str:
        """One word for the title."""

    def score(self, body: Body) -> int:
        """Say how well it fits: 0 not at all, 10 it could, 50 it should, 90 the body says so itself."""

    def document(self, body: Body) -> Document:
        """Give the lines."""

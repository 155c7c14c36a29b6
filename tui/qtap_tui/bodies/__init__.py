"""Body views: one file a view, each a name, a score for a body and a document.

The view with the highest score shows a body first; the user steps through those that can show it.
"""

from __future__ import annotations

from dataclasses import dataclass

from qtap_tui.bodies.event_stream import EventStreamView
from qtap_tui.bodies.grpc import GrpcView, ProtobufView
from qtap_tui.bodies.hex_dump import HexView
from qtap_tui.bodies.pretty_json import JsonView
from qtap_tui.bodies.text import TextView
from qtap_tui.bodies.view import Body, BodyView

VIEWS: tuple[BodyView, ...] = (JsonView(), EventStreamView(), TextView(), HexView(), GrpcView(), ProtobufView())


@dataclass(frozen=True, slots=True)
class Choice:
    """The views that can show a body, best first."""

    views: tuple[BodyView, ...]

    def at(self, step: int) -> BodyView:
        """Give the view after `step` steps."""
        return self.views[step % len(self.views)]


def choose(body: Body) -> Choice:
    """Order the views for `body`."""
    scored = [(view.score(body), view) for view in VIEWS]
    return Choice(tuple(view for score, view in sorted(scored, key=lambda pair: -pair[0]) if score > 0))


__all__ = ["VIEWS", "Body", "BodyView", "Choice", "choose"]

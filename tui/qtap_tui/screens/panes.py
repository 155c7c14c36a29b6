"""The list and the details: beside each other, one above the other, or one at a time, as there is room and the user wants."""

from __future__ import annotations

from textual import events

from qtap_tui.screens.direct_screen import DirectScreen
from qtap_tui.widgets.bars import KeyFooter
from qtap_tui.widgets.detail import Detail
from qtap_tui.widgets.transaction_list import TransactionList

SIDE_BY_SIDE = 120
"""Least width for list and details beside each other."""
STACKED = 36
"""Least height for one above the other, where they do not fit beside each other."""


class PanesScreen(DirectScreen):
    """Has a `list` in `#list-pane` and a `detail`, both in `#panes`."""

    DEFAULT_CSS = """
    #panes { layout: horizontal; height: 1fr; }
    #list-pane { width: 1fr; height: 1fr; }
    #detail { display: none; width: 1fr; }
    PanesScreen.-open #detail { display: block; }
    PanesScreen.-stacked #panes { layout: vertical; }
    PanesScreen.-open.-alone #list-pane { display: none; }
    PanesScreen.-list-alone #detail, PanesScreen.-open.-list-alone #detail { display: none; }
    PanesScreen.-open.-list-alone #list-pane { display: block; }
    """
    list: TransactionList
    detail: Detail
    _zoomed = False

    def on_resize(self, event: events.Resize) -> None:
        """Arrange the panes for the new size."""
        self._arrange(event.size.width, event.size.height)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """A pane that stands alone is the one with the focus."""
        self._arrange(self.size.width, self.size.height)

    def action_zoom(self) -> None:
        """Give the screen to one pane, or back."""
        self._zoomed = not self._zoomed
        self._arrange(self.size.width, self.size.height)

    def action_pane(self) -> None:
        """Go to the other pane."""
        if self.is_open:
            in_detail = self.focused is self.detail.document_view
            self.set_focus(self.list if in_detail else self.detail.document_view, scroll_visible=False)

    @property
    def is_open(self) -> bool:
        """Whether the details are shown, or would be if there was room."""
        return self.has_class("-open")

    def set_open(self, *, is_open: bool) -> None:
        """Open the details, or close them."""
        self._zoomed = self._zoomed and is_open
        self.set_class(is_open, "-open")
        self.query_one(KeyFooter).refresh()  # its keys stay the same where the list had the focus, but not what `q` does
        self._arrange(self.size.width, self.size.height)

    def _arrange(self, width: int, height: int) -> None:
        beside, stacked = width >= SIDE_BY_SIDE, width < SIDE_BY_SIDE and height >= STACKED
        single = self._zoomed or not (beside or stacked)
        in_list = self.focused is self.query_one(TransactionList)
        self.set_class(stacked, "-stacked")
        self.set_class(single and not in_list, "-alone")
        self.set_class(single and in_list, "-list-alone")

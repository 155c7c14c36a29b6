"""Which columns the list shows, and how wide each is: as many as there is room for, or those that the user chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtap_tui.columns import COLUMNS, Fitted

_LEAST_HOST, _MAX_HOST = 15, 40
"""`127.0.0.1:38443` is the least that is worth it."""
_LEAST_SHARE = 4
"""Cells below which a host or a path says nothing."""
_NARROWEST = 2
_KEPT = 8
"""Widths whose columns are kept ready."""
MOST = 500
"""Cells that a column may be asked to have."""

_TIERS: tuple[tuple[int, dict[str, int], str], ...] = (
    (
        160,
        {"time": 12, "process": 22},
        "state time direction method status host path type process container sent size duration",
    ),
    (110, {"process": 22}, "state time direction method status host path type process size duration"),
    (92, {}, "state time direction method status host path process size duration"),
    (70, {}, "state direction method status host path process size duration"),
    (0, {}, "state direction method status host path duration"),
)
"""Least width of the list, what it then makes wider, and what it shows if the user chose nothing."""
_RANK = "container sent type time process size duration state direction method host status path".split()  # noqa: SIM905 - a sentence
"""What chosen columns are left out first where they have no room."""


class Layout:
    """The user's choice; does not change, but gives another with a change.

    `chosen` are columns from left to right, none for an automatic choice; `widths` are cells by column, of those that differ.
    """

    def __init__(self, chosen: Sequence[str] = (), widths: Mapping[str, int] | None = None) -> None:
        self.chosen = tuple(chosen)
        self.widths = dict(widths or {})
        self._fitted: dict[int, Fitted] = {}

    def fitted(self, width: int) -> Fitted:
        """Give the columns that `width` cells have room for; together, with a blank behind each, they are never wider."""
        fitted = self._fitted.get(width)
        if fitted is None:
            if len(self._fitted) > _KEPT:
                self._fitted.clear()
            fitted = self._fitted[width] = self._fit(width)
        return fitted

    def choose(self, columns: Sequence[str]) -> Layout:
        """Show these columns."""
        return Layout(columns, self.widths)

    def resize(self, name: str, cells: int, width: int) -> Layout:
        """Make one column wider by `cells`, or narrower, as far as the others keep their place within `width`."""
        fitted = dict(self.fitted(width))
        others = sum(_least(other, fitted[other], self.widths) + 1 for other in fitted if other != name)
        least = min(_NARROWEST, COLUMNS[name].width or _NARROWEST, fitted[name])
        wanted = min(max(fitted[name] + cells, least), width - others - 1, MOST)
        return self if wanted == fitted[name] else Layout(self.chosen, {**self.widths, name: wanted})

    def _fit(self, width: int) -> Fitted:
        wider, automatic = next((wider, names.split()) for least, wider, names in _TIERS if width >= least)
        names = list(self.chosen or automatic)
        usual = {name: wider.get(name, COLUMNS[name].width) for name in names}
        asked = {name: self.widths.get(name, usual[name]) for name in names}
        _give_back(asked, usual, width)
        while _needed(asked) > width and len(asked) > 1:
            del asked[min(asked, key=_RANK.index)]
        return _share(asked, width)


def _least(name: str, cells: int, widths: Mapping[str, int]) -> int:
    """Give what a column keeps while another is made wider."""
    shares = not COLUMNS[name].width and name not in widths
    return _LEAST_SHARE if shares else cells


def _needed(asked: Mapping[str, int]) -> int:
    return sum((cells or _LEAST_SHARE) + 1 for cells in asked.values())


def _give_back(asked: dict[str, int], usual: Mapping[str, int], width: int) -> None:
    """Let columns that the user made wider be as narrow as usual, as far as there is no room."""
    over = _needed(asked) - width
    for name, cells in asked.items():
        back = min(over, cells - (usual[name] or _LEAST_HOST))
        if back > 0:
            asked[name] -= back
            over -= back


def _share(asked: dict[str, int], width: int) -> Fitted:
    """Give what is left to the host and the path, where nobody asked for a width."""
    spare = max(width - sum(asked.values()) - len(asked), 0)
    shares = [name for name, cells in asked.items() if not cells]
    if len(shares) == 1:
        asked[shares[0]] = spare
    elif shares:
        asked["host"] = min(max(min(max(spare * 2 // 5, _LEAST_HOST), _MAX_HOST, spare - _LEAST_SHARE), _LEAST_SHARE), spare)
        asked["path"] = spare - asked["host"]
    if len(asked) == 1:
        return tuple((name, min(cells, max(width - 1, 0))) for name, cells in asked.items())
    return tuple(asked.items())

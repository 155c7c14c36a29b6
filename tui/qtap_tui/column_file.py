"""The user's columns: `columns.yaml`, written when the user chooses or resizes some, and by hand.

```yaml
columns: [state, time, method, status, host, path, duration]   # left out or empty: as many as there is room for
widths: {host: 30}                                            # cells of those that differ from the usual
```
"""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path

from qtap_tui.columns import COLUMNS
from qtap_tui.layout import MOST, Layout
from qtap_tui.settings import SettingsError, folder, read_yaml

_KEYS = ("columns", "widths")
_HEAD = "# The columns of the list; qtap-tui writes this file when some are chosen (o) or resized (< and >).\n"


class ColumnsError(SettingsError):
    """The file of columns cannot be used, or not be written; the text is one sentence with file and key."""


def user_file() -> Path:
    """Give the path of the user's columns."""
    return folder() / "columns.yaml"


def load() -> Layout:
    """Read the user's columns, an automatic choice where there is no file; raises ColumnsError."""
    path = user_file()
    return read(path) if path.exists() else Layout()


def read(path: Path) -> Layout:
    """Read one file of columns; raises ColumnsError."""
    content = read_yaml(path, ColumnsError)
    if content is None:
        return Layout()
    if not isinstance(content, dict):
        raise ColumnsError(f"{path}: is not a mapping with columns and widths")
    for key in content:
        if key not in _KEYS:
            raise ColumnsError(f"{path}: {key!s}: no such key; there are {' and '.join(_KEYS)}")
    return Layout(_chosen(path, content.get("columns")), _widths(path, content.get("widths")))


def save(layout: Layout) -> None:
    """Write the user's columns, whole or not at all; raises ColumnsError."""
    path = user_file()
    widths = ", ".join(f"{name}: {cells}" for name, cells in layout.widths.items())
    text = f"{_HEAD}columns: [{', '.join(layout.chosen)}]\nwidths: {{{widths}}}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".columns-", delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise ColumnsError(f"{path}: the columns cannot be saved: {error.strerror}") from None


def _chosen(path: Path, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ColumnsError(f"{path}: columns: is not a list")
    chosen = [_name(path, "columns", name) for name in value]
    for name in chosen:
        if chosen.count(name) > 1:
            raise ColumnsError(f"{path}: columns: {name} stands there twice")
    return chosen


def _widths(path: Path, value: object) -> dict[str, int]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ColumnsError(f"{path}: widths: is not a mapping of columns to cells")
    widths: dict[str, int] = {}
    for key, cells in value.items():
        name = _name(path, "widths", key)
        if not isinstance(cells, int) or isinstance(cells, bool) or not 1 <= cells <= MOST:
            raise ColumnsError(f"{path}: widths.{name}: {cells!r} is not a number of cells from 1 to {MOST}")
        widths[name] = cells
    return widths


def _name(path: Path, key: str, name: object) -> str:
    if not isinstance(name, str) or name not in COLUMNS:
        near = difflib.get_close_matches(str(name), COLUMNS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COLUMNS)}"
        raise ColumnsError(f"{path}: {key}: {name!s}: no such column; {hint}")
    return name

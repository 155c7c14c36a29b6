"""Where pictures of the screen are kept: `snapshots/` at the root, one folder a test file."""

from __future__ import annotations

from pathlib import Path

from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]
from syrupy.location import PyTestLocation

_SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


def _dirname(_cls: type[SVGImageExtension], *, test_location: PyTestLocation) -> str:
    return str(_SNAPSHOTS / test_location.basename)


# At import: syrupy asks the class while it collects, before any fixture runs.
SVGImageExtension.dirname = classmethod(_dirname)

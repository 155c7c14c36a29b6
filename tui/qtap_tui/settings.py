"""The user's own files: where they are, and what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path


class SettingsError(ValueError):
    """A file of the user's cannot be used; the text is one sentence with file and key."""


def folder() -> Path:
    """Give the folder of the user's files (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "qtap-tui"

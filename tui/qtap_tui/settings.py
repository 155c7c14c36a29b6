"""The user's own files: where they are, and what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path


class SettingsError(ValueError):
    """A file of the user's cannot be used; the text is one sentence with file and key."""


def folder() -> Path:
    """Give the folder of the user's files (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "qtap-tui"


def read_yaml(path: Path, error_type: type[SettingsError]) -> object:
    """Give what a YAML file holds; raises `error_type` with one sentence that names the file."""
    import yaml  # noqa: PLC0415  17 ms, and nothing before the first picture but the user's own files needs it

    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise error_type(f"{path}: is not YAML: {' '.join(str(error).split())}") from None

"""User names by number, from /etc/passwd alone: a directory service may take seconds to answer, and the reader cannot wait."""

from __future__ import annotations

from pathlib import Path


class Users:
    """Names of this host's users; reads the file again when a number is new and the file has changed."""

    def __init__(self, path: Path = Path("/etc/passwd")) -> None:
        self._path = path
        self._names: dict[int, str] = {}
        self._read_at = 0

    def name(self, uid: int) -> str:
        """Give the name of user `uid`, or its number as text."""
        if uid not in self._names:
            self._refresh()
        return self._names.get(uid) or str(uid)

    def _refresh(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at == self._read_at:
                return
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            return
        self._read_at = changed_at
        self._names = {}
        for line in text.splitlines():
            name, _, rest = line.partition(":")
            number = rest.partition(":")[2].partition(":")[0]
            if name and number.isascii() and number.isdigit():
                self._names.setdefault(int(number), name)

"""Reading a capture: records one after the other, from a file or a pipe, plain or zstd, whole or cut off anywhere."""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec

from qtap.captures.format import FORMAT, LINE_LIMIT, VERSION, CaptureError, Header, Record, decode_record
from qtap.captures.lines import DamagedError, LineReader

_SHOWN = 20
"""Sentences kept in `problems`; a hostile file could ask for millions."""


class CaptureReader:
    """Opens `path` (`-` is standard input), reads the header, and gives the records when iterated, once.

    Holds one line at a time. A line that is no record is described in `problems` and counted in `bad`, and the next ones are
    still read. A last line that was cut off is left out and told in `cut`: that is how a killed recording ends.

    Raises:
        CaptureError: no such file, not a capture, or one of a newer format.
    """

    def __init__(self, path: str, *, line_limit: int = LINE_LIMIT) -> None:
        self.name = "standard input" if path == "-" else path
        self.bad = 0
        """Lines that could not be read."""
        self.cut = False
        """The file breaks off inside a record or a compressed frame, as that of a killed recording does."""
        self.problems: list[str] = []
        """One sentence each for the first of them, with file and line number."""
        self._number = 0
        self._line_limit = line_limit
        self._file = _open(path)
        self._reader = LineReader(self._file, line_limit)
        self._lines = iter(self._reader)
        try:
            self.header = self._read_header()
        except CaptureError:
            self.close()
            raise

    def __iter__(self) -> Iterator[Record]:
        try:
            for line in self._lines:
                self._number += 1
                record = self._record(line)
                # A second header stands where two captures were joined with cat.
                if record is not None and not isinstance(record, Header):
                    yield record
        except DamagedError as error:
            self._problem(f"{error}, nothing after it was read")
        self.cut |= self._reader.cut

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._file.close()

    def _record(self, line: bytes) -> Record | Header | None:
        if not line:
            self._problem(f"longer than {self._line_limit} bytes")
            return None
        try:
            return decode_record(line)
        except msgspec.DecodeError as error:
            if line.endswith(b"\n"):
                self._problem(f"not a record of a capture ({error})")
            else:
                self.cut = True
            return None

    def _read_header(self) -> Header:
        self._number = 1
        try:
            line = next(self._lines, b"")
            header = decode_record(line)
        except DamagedError as error:
            raise CaptureError(f"{self.name}: {error}") from None
        except msgspec.DecodeError:
            header = None
        if not isinstance(header, Header) or header.format != FORMAT:
            raise CaptureError(f'{self.name} is not a capture: line 1 is no {{"kind":"capture","format":"{FORMAT}",…}}')
        if header.version > VERSION:
            raise CaptureError(
                f"{self.name} has version {header.version} of the capture format and this program reads up to {VERSION}: "
                "read it with a newer qtap-tui"
            )
        return header

    def _problem(self, sentence: str) -> None:
        self.bad += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(f"{self.name}, line {self._number}: {sentence}")


def _open(path: str) -> io.FileIO:
    try:
        return io.FileIO(0, closefd=False) if path == "-" else io.FileIO(path)
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None

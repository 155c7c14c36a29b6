from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from qtap.captures import CaptureError, CaptureReader, Header
from qtap.captures.format import Record, encode_record
from qtap.model import Loss
from tests.exports.samples import BEGAN, CURL, connection, transaction

HEADER = Header("qtap-tui", 1, "web-1", "d3tsmtg7p3qggmf8pdhg", "qtap-tui 0.1.0", BEGAN, "6.1.0")
RECORDS: list[Record] = [
    transaction(),
    Loss("ring", 3, BEGAN, BEGAN + 1),
    CURL,
    connection(),
    transaction(b"POST /\xff HTTP/1.1\r\n\r\n", b"\0\n"),
]
LINES = [encode_record(HEADER), *map(encode_record, RECORDS)]


def capture(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "capture"
    path.write_bytes(data)
    return str(path)


def read(path: str) -> list[Record]:
    reader = CaptureReader(path)
    try:
        return list(reader)
    finally:
        reader.close()


def test_a_capture_gives_its_header_and_its_records_in_order(tmp_path: Path) -> None:
    reader = CaptureReader(capture(tmp_path, b"".join(LINES)))
    assert reader.header == HEADER
    assert list(reader) == RECORDS
    assert reader.bad == 0
    reader.close()


def test_a_capture_cut_at_any_byte_opens_up_to_its_last_whole_line(tmp_path: Path) -> None:
    data = b"".join(LINES)
    ends = [len(b"".join(LINES[: count + 1])) for count in range(len(LINES))]
    for cut in range(len(data)):
        path = capture(tmp_path, data[:cut])
        # A line that lacks nothing but its line feed is whole.
        whole = sum(end - 1 <= cut for end in ends)
        if not whole:
            with pytest.raises(CaptureError, match="is not a capture"):
                CaptureReader(path)
            continue
        reader = CaptureReader(path)
        assert list(reader) == RECORDS[: whole - 1], cut
        assert reader.problems == []
        reader.close()


def test_a_compressed_capture_cut_at_any_byte_opens_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    compressor = zstandard.ZstdCompressor()
    frames = [compressor.compress(line) for line in LINES]
    data = b"".join(frames)
    ends = [len(b"".join(frames[: count + 1])) for count in range(len(frames))]
    for cut in range(ends[0], len(data)):
        reader = CaptureReader(capture(tmp_path, data[:cut]))
        whole = sum(end <= cut for end in ends)
        found = list(reader)
        # Four bytes of checksum or less may be all that is missing of a frame whose lines are already there.
        assert found[: whole - 1] == RECORDS[: whole - 1], cut
        assert reader.cut == (cut not in ends), cut
        assert found == RECORDS[: len(found)]
        assert reader.problems == []
        reader.close()


def test_a_bad_line_is_named_with_file_and_number_and_the_rest_is_read(tmp_path: Path) -> None:
    path = capture(tmp_path, b"".join([LINES[0], LINES[1], b'{"kind":"transaction","id":7}\n', b"\x00\xff\n", *LINES[2:]]))
    reader = CaptureReader(path)
    assert list(reader) == RECORDS
    assert reader.bad == 2
    assert reader.problems[0] == f"{path}, line 3: not a record of a capture (Expected `str`, got `int` - at `$.id`)"
    assert reader.problems[1].startswith(f"{path}, line 4: not a record of a capture (")
    reader.close()


def test_a_million_bad_lines_are_counted_and_few_of_them_described(tmp_path: Path) -> None:
    reader = CaptureReader(capture(tmp_path, LINES[0] + b"x\n" * 1_000_000))
    assert list(reader) == []
    assert reader.bad == 1_000_000
    assert len(reader.problems) < 100
    reader.close()


def test_a_line_over_the_limit_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = capture(tmp_path, b"".join([LINES[0], b"x" * 400_000 + b"\n", *LINES[1:], b"y" * 400_000]))
    reader = CaptureReader(path, line_limit=200_000)
    assert list(reader) == RECORDS
    assert reader.problems[0] == f"{path}, line 2: longer than 200000 bytes"
    reader.close()


def test_unknown_kinds_and_a_second_header_are_skipped(tmp_path: Path) -> None:
    data = b"".join([*LINES[:2], b'{"kind":"weather"}\n', LINES[0], *LINES[2:]])
    reader = CaptureReader(capture(tmp_path, data))
    assert list(reader) == RECORDS
    assert reader.bad == 0
    reader.close()


def test_a_compressed_capture_needs_no_name_that_says_so_and_may_be_joined(tmp_path: Path) -> None:
    compress = zstandard.ZstdCompressor().compress
    assert read(capture(tmp_path, compress(b"".join(LINES)) + compress(b"".join(LINES)))) == RECORDS * 2


def test_damage_in_a_compressed_capture_is_named_and_what_stands_before_is_read(tmp_path: Path) -> None:
    compress = zstandard.ZstdCompressor().compress
    path = capture(tmp_path, compress(b"".join(LINES)) + b"no frame at all")
    reader = CaptureReader(path)
    assert list(reader) == RECORDS
    assert reader.problems[0].startswith(f"{path}, line 6: the compressed data is damaged (")
    reader.close()


def test_a_bomb_is_read_in_small_pieces(tmp_path: Path) -> None:
    compress = zstandard.ZstdCompressor().compress
    path = capture(tmp_path, compress(LINES[0]) + compress(b"x" * 300_000_000) + compress(b"\n" + LINES[1]))
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (400 << 20,) * 2)\n"
        "from qtap.captures import CaptureReader\n"
        "reader = CaptureReader(sys.argv[1]); print(len(list(reader)), reader.bad)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1 1\n", "")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is not a capture: line 1 is no"),
        (b"hello\n", "is not a capture: line 1 is no"),
        (b"\x7fELF\x00" * 1000, "is not a capture: line 1 is no"),
        (b'{"kind":"capture","format":"har","version":1}\n', "is not a capture: line 1 is no"),
        (b'{"kind":"capture"}\n', "is not a capture: line 1 is no"),
        (LINES[1], "is not a capture: line 1 is no"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "the compressed data is damaged"),
        (
            b'{"kind":"capture","format":"qtap-tui","version":2}\n',
            "version 2 of the capture format and this program reads up to 1",
        ),
    ],
)
def test_what_is_no_capture_is_one_clear_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = capture(tmp_path, data)
    with pytest.raises(CaptureError, match=sentence) as caught:
        CaptureReader(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_directory_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"cannot read .*/nowhere: no such file or directory"):
        CaptureReader(str(tmp_path / "nowhere"))
    with pytest.raises(CaptureError, match="is a directory"):
        CaptureReader(str(tmp_path))


def test_a_capture_is_read_from_standard_input_while_it_is_written() -> None:
    program = (
        "from qtap.captures import CaptureReader\nfor record in CaptureReader('-'): print(type(record).__name__, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for byte in LINES[0]:
            child.stdin.write(bytes([byte]))
            child.stdin.flush()
        for line, name in zip(LINES[1:], [b"Transaction\n", b"Loss\n", b"Process\n", b"Connection\n"], strict=False):
            child.stdin.write(line)
            child.stdin.flush()
            assert child.stdout.readline() == name
        child.stdin.close()

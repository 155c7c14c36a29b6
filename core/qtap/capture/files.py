"""Bytes that a process sent from a file with sendfile(2): read again from that file, if it still is as it was.

A file system may take its time, or never answer, so threads of their own open and read; who asks looks later. A local file that
is sent again and again stays open for a while, and what the kernel holds of it in memory, which are mostly the bytes just sent,
is read at once: 3 us, and 0.1 us a KB.
"""

from __future__ import annotations

import ctypes
import os
import queue
import stat
import struct
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from qtap.capture.inside import open_inside

_PIECE = struct.Struct("<4Q")
"""struct file_piece of bpf/record.h."""
_THREADS = 2
_STUCK = 2.0
"""Seconds after which a thread is not expected back; when none is, nothing more is asked."""
_WAITING_LIMIT = 256
_BYTES_LIMIT = 16 << 20
"""Bytes that are being read, or were and wait to be taken."""
_TICK = 20_000_000
"""Nanoseconds within which two changes of a file may bear the same time (a kernel's tick is 10 ms at most)."""
_OPEN_LIMIT = 64
_OPEN_FOR = 2.0
"""Seconds a file that was removed, or is to be unmounted, may be kept by being open here."""
_LOCAL = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0xF2F52010, 0xE0F5E1E2, 0x73717368, 0x2FC12FC1})
"""File systems whose fstat asks no other machine or process (linux/magic.h): ext, xfs, btrfs, tmpfs, overlay, f2fs, erofs,
squashfs, zfs."""
_libc = ctypes.CDLL(None, use_errno=True)

Key = tuple[int, int, int, bytes]


class Piece(NamedTuple):
    """Bytes of a file: `size` from `offset` on, as they were at `at` (nanoseconds since the epoch)."""

    pid: int
    path: bytes
    """From the root of the process, without a slash in front; empty when it is not known."""
    inode: int
    superblock: int
    offset: int
    size: int
    at: int

    @property
    def key(self) -> Key:
        """Tell the file from any other."""
        return self.superblock, self.inode, self.pid, self.path

    @classmethod
    def of(cls, data: bytes, pid: int, size: int, at: int) -> Piece:
        """Read the data of a record with FLAG_FILE; `size` is what the call sent."""
        inode, superblock, offset, known = _PIECE.unpack_from(data)
        names = data[_PIECE.size :].split(b"\0")[:-1]
        path = b"/".join(reversed(names)) if known else b""
        return cls(pid, path, inode, superblock, offset, size, at)


class Answer:
    """What becomes of a piece: `done` once nothing more is to be expected, then with `data` if it could be read."""

    __slots__ = ("counted", "data", "done", "file", "given_up", "leader", "piece", "want")

    def __init__(self, piece: Piece, want: int) -> None:
        self.piece = piece
        self.want = want
        """Bytes to read, not more than the piece has."""
        self.data: bytes | None = None
        self.done = False
        self.file = -1
        """The descriptor, if reading it again needs no other machine."""
        self.leader: Answer | None = None
        """The one that opens the same file, and is waited for first."""
        self.counted = False
        self.given_up = False


class Files:
    """Reads pieces on threads that start with the first one. One thread calls its methods."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._asked: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._busy_since = [0.0] * _THREADS
        self._lock = threading.Lock()
        """Held while an answer becomes done, or is given up: whoever is second has its descriptor."""
        self._started = False
        self._waiting = 0
        self._bytes = 0
        self._opening: dict[Key, Answer] = {}
        self._open: OrderedDict[Key, tuple[float, int]] = OrderedDict()
        """Until when each file stays open, and its descriptor."""

    def ask(self, piece: Piece, want: int) -> Answer:
        """Begin to read the first `want` bytes of `piece`."""
        answer = Answer(piece, want)
        if not self._read_at_once(answer):
            answer.leader = self._opening.get(piece.key)
            if answer.leader is None:
                self._hand_out(answer)
        return answer

    def is_done(self, answer: Answer) -> bool:
        """Whether nothing more is to be expected."""
        leader = answer.leader
        if leader is not None and leader.done:
            answer.leader = None
            self._keep(leader)
            if not self._read_at_once(answer):
                self._hand_out(answer)
        return answer.done

    def take(self, answer: Answer) -> bytes:
        """Give what was read, empty if nothing; the answer is over with this, done or not."""
        if answer.counted:
            self._waiting -= 1
            self._bytes -= answer.want
        with self._lock:
            answer.given_up = True
        if self._opening.get(answer.piece.key) is answer:
            del self._opening[answer.piece.key]
        if answer.done:
            self._keep(answer)
        return answer.data or b""

    def _hand_out(self, answer: Answer) -> None:
        """Let a thread open and read, unless too much is waited for already."""
        want = answer.want
        full = self._waiting >= _WAITING_LIMIT or self._bytes + want > _BYTES_LIMIT
        if full or not answer.piece.path or self._is_stuck():
            answer.done = True
            return
        if not self._started:
            self._started = True
            for number in range(_THREADS):
                threading.Thread(target=self._run, args=(number,), name=f"qtap-files-{number}", daemon=True).start()
        answer.counted = True
        self._waiting += 1
        self._bytes += want
        self._opening.setdefault(answer.piece.key, answer)
        self._asked.put(answer)

    def tick(self) -> None:
        """Close what was open long enough."""
        now = time.monotonic()
        while self._open and next(iter(self._open.values()))[0] <= now:
            os.close(self._open.popitem(last=False)[1][1])

    def _keep(self, answer: Answer) -> None:
        """Take over the descriptor of an answer that is done."""
        key, file, answer.file = answer.piece.key, answer.file, -1
        if file < 0:
            return
        if key in self._open or len(self._open) >= _OPEN_LIMIT:
            os.close(file)
        else:
            self._open[key] = time.monotonic() + _OPEN_FOR, file

    def _read_at_once(self, answer: Answer) -> bool:
        piece, known = answer.piece, self._open.get(answer.piece.key)
        if known is None or answer.want > _BYTES_LIMIT:
            return False
        data = bytearray(answer.want)
        try:
            whole = os.preadv(known[1], [data], piece.offset, os.RWF_NOWAIT) == answer.want
            whole = whole and _is_same(os.fstat(known[1]), piece)
        except OSError:  # not in memory, or a file system that cannot tell
            return False
        if whole:
            answer.data = bytes(data)
            answer.done = True
        return whole

    def _is_stuck(self) -> bool:
        now = time.monotonic()
        return all(since and now - since > _STUCK for since in self._busy_since)

    def _run(self, number: int) -> None:
        while True:
            answer = self._asked.get()
            if not answer.given_up:
                self._busy_since[number] = time.monotonic()
                read_piece(self._root, answer)
                self._busy_since[number] = 0.0
            with self._lock:
                answer.done = True
                if answer.given_up and answer.file >= 0:
                    os.close(answer.file)
                    answer.file = -1


def read_piece(root: str, answer: Answer) -> None:
    """Read into `answer`; nothing when it cannot be told that these are the bytes that were sent."""
    folder = opened = -1
    try:
        folder = os.open(f"{root}/{answer.piece.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # By name only: to open a device or a pipe can do something. The kernel told the path without links: where there is one
        # now, a container may want it to lead to a file of the host.
        opened = open_inside(folder, answer.piece.path, os.O_PATH | os.O_NOFOLLOW, links=False)
        if _is_same(os.fstat(opened), answer.piece):
            _read(opened, answer)
    except OSError:
        return
    finally:
        for descriptor in (folder, opened):
            if descriptor >= 0:
                os.close(descriptor)


def _read(opened: int, answer: Answer) -> None:
    piece, file = answer.piece, _reopen(opened)
    data = None
    try:
        data = os.pread(file, answer.want, piece.offset)
        if len(data) == answer.want and _is_same(os.fstat(file), piece):
            answer.data = data
    finally:
        if answer.data is not None and _is_local(file):
            answer.file = file
        else:
            os.close(file)


def _is_local(file: int) -> bool:
    status = ctypes.create_string_buffer(256)  # struct statfs; its first word is the file system's magic number
    return _libc.fstatfs(file, status) == 0 and struct.unpack_from("<q", status)[0] & 0xFFFFFFFF in _LOCAL


def _reopen(opened: int) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{opened}", flags | os.O_NOATIME)
    except PermissionError:  # another user's file, without CAP_FOWNER
        return os.open(f"/proc/self/fd/{opened}", flags)


def _is_same(status: os.stat_result, piece: Piece) -> bool:
    """Tell whether this is the file that was sent, and not changed since, nor so shortly before that times cannot tell."""
    changed = max(status.st_ctime_ns, status.st_mtime_ns)
    whole = status.st_size >= piece.offset + piece.size
    return stat.S_ISREG(status.st_mode) and status.st_ino == piece.inode and whole and changed + _TICK < piece.at

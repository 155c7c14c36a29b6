"""bpf(2) and perf_event_open(2) by ctypes: maps, programs, raw tracepoints, uprobes (Linux 5.10 or newer, x86-64).

Numbers and layouts are those of include/uapi/linux/bpf.h and perf_event.h. Every call raises OSError with the kernel's errno.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

_libc = ctypes.CDLL(None, use_errno=True)
_NR_BPF = 321
_NR_PERF_EVENT_OPEN = 298

MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT_KEY, PROG_LOAD = 0, 1, 2, 3, 4, 5
OBJ_GET_INFO, RAW_TRACEPOINT_OPEN, LINK_CREATE = 15, 17, 28
MAP_TYPE_RINGBUF = 27
PROG_TYPE_KPROBE, PROG_TYPE_RAW_TRACEPOINT = 2, 17
TRACE_UPROBE_MULTI = 48
UPROBE_MULTI_RETURN = 1
_NOEXIST = 1
_PERF_EVENT_IOC_SET_BPF = 0x40042408
_PERF_FLAG_FD_CLOEXEC = 8
_ATTR_SIZE = 144
_PROG_INFO_SIZE, _RECURSION_MISSES = 216, 208
"""Of struct bpf_prog_info up to that field."""


def _syscall(number: int, *args: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _bpf(command: int, attr: bytes, size: int = _ATTR_SIZE) -> int:
    buffer = ctypes.create_string_buffer(attr, size)
    return _syscall(_NR_BPF, ctypes.c_long(command), buffer, ctypes.c_long(size))


def _address(buffer: object) -> int:
    return ctypes.addressof(buffer)  # type: ignore[arg-type]


def create_map(kind: int, key: int, value: int, entries: int, *, flags: int = 0, name: str = "") -> int:
    """Create a map and give its descriptor; sizes in bytes."""
    return _bpf(MAP_CREATE, struct.pack("<IIIIIII16s", kind, key, value, entries, flags, 0, 0, name.encode()[:15]))


def update(fd: int, key: bytes, value: bytes, *, only_new: bool = False) -> None:
    """Set one entry; with `only_new` raise FileExistsError where there is one."""
    key_buffer, value_buffer = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    flags = _NOEXIST if only_new else 0
    _bpf(MAP_UPDATE, struct.pack("<IIQQQ", fd, 0, _address(key_buffer), _address(value_buffer), flags))


def lookup(fd: int, key: bytes, size: int) -> bytes | None:
    """Give one entry's value of `size` bytes (of all CPUs together for a per-CPU map), or None."""
    key_buffer, value_buffer = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    try:
        _bpf(MAP_LOOKUP, struct.pack("<IIQQQ", fd, 0, _address(key_buffer), _address(value_buffer), 0))
    except FileNotFoundError:
        return None
    return value_buffer.raw


def delete(fd: int, key: bytes) -> None:
    """Remove one entry; an absent one is no error."""
    key_buffer = ctypes.create_string_buffer(key, len(key))
    try:
        _bpf(MAP_DELETE, struct.pack("<IIQQQ", fd, 0, _address(key_buffer), 0, 0))
    except FileNotFoundError:
        return


class VerifierError(Exception):
    """The kernel refused a program; the text ends with the verifier's last lines."""


def take_all(fd: int, key_size: int, value_size: int, most: int) -> list[bytes]:
    """Remove the entries of a hash map, `most` at once since others may be made meanwhile, and give their values."""
    key = ctypes.create_string_buffer(key_size)
    found: list[bytes] = []
    while len(found) < most:
        try:
            _bpf(MAP_NEXT_KEY, struct.pack("<IIQQQ", fd, 0, 0, _address(key), 0))  # the first one
        except FileNotFoundError:
            break
        value = lookup(fd, key.raw, value_size)
        delete(fd, key.raw)
        if value is not None:
            found.append(value)
    return found


def load_program(kind: int, code: bytes, name: str, expected_attach: int = 0) -> int:
    """Load bytecode (map descriptors already in place) and give its descriptor; raises VerifierError or OSError."""
    try:
        return _load(kind, code, name, expected=expected_attach, log_size=0)
    except OSError as error:
        if error.errno == errno.EPERM:  # EACCES is the verifier's
            raise
        log = ctypes.create_string_buffer(1 << 20)
        try:
            return _load(kind, code, name, expected=expected_attach, log_size=len(log), log=log)
        except OSError:
            tail = log.value.decode(errors="replace").strip().splitlines()[-4:]
            raise VerifierError(f"{name}: {error.strerror}: {' / '.join(tail)}") from None


def _load(kind: int, code: bytes, name: str, *, expected: int, log_size: int, log: object = None) -> int:
    code_buffer = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"Dual BSD/GPL")
    attr = struct.pack(
        "<IIQQIIQII16sII",
        kind,
        len(code) // 8,
        _address(code_buffer),
        _address(licence),
        1 if log_size else 0,
        log_size,
        _address(log) if log is not None else 0,
        0,
        0,
        name.encode()[:15],
        0,
        expected,
    )
    return _bpf(PROG_LOAD, attr)


def skipped(program: int) -> int:
    """Give how often the kernel did not run a program because it was running on that processor (counted since Linux 5.12).

    Linux 6.1 and newer do so at tracepoints: an interrupt that comes while a program runs may lead to the same one.
    """
    info = ctypes.create_string_buffer(_PROG_INFO_SIZE)
    _bpf(OBJ_GET_INFO, struct.pack("<IIQ", program, len(info), _address(info)))
    (count,) = struct.unpack_from("<Q", info, _RECURSION_MISSES)
    return int(count)


def attach_raw_tracepoint(program: int, name: str) -> int:
    """Run `program` at a raw tracepoint; give the link's descriptor, whose end detaches."""
    text = ctypes.create_string_buffer(name.encode())
    return _bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QI", _address(text), program))


def attach_uprobes(program: int, path: str, offsets: Sequence[int], *, at_return: bool, pid: int = 0) -> int:
    """Run `program` at file offsets of `path` in every process (Linux 6.6 or newer, one link for all); give the link.

    With `pid`, in that process only; before Linux 6.11 this means its first thread alone.
    """
    text = ctypes.create_string_buffer(os.fsencode(path))
    array = (ctypes.c_uint64 * len(offsets))(*offsets)
    flags = UPROBE_MULTI_RETURN if at_return else 0
    multi = struct.pack("<QQQQIII", _address(text), _address(array), 0, 0, len(offsets), flags, pid)
    # union padding: the fields of each link type begin at byte 16 of the attribute
    return _bpf(LINK_CREATE, struct.pack("<IIII", program, 0, TRACE_UPROBE_MULTI, 0) + multi)


def attach_uprobe(program: int, path: str, offset: int, *, at_return: bool, event_type: int, pid: int = 0) -> int:
    """Run `program` at one file offset, by a perf event (any kernel), in all processes or in `pid`; give its descriptor."""
    text = ctypes.create_string_buffer(os.fsencode(path))
    attr = struct.pack("<IIQQQQQIIQQ", event_type, 112, 1 if at_return else 0, 0, 0, 0, 0, 0, 0, _address(text), offset)
    buffer = ctypes.create_string_buffer(attr, 112)
    args = (ctypes.c_int(pid or -1), ctypes.c_int(-1 if pid else 0), ctypes.c_int(-1), ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC))
    fd = _syscall(_NR_PERF_EVENT_OPEN, buffer, *args)
    if _libc.ioctl(fd, ctypes.c_ulong(_PERF_EVENT_IOC_SET_BPF), ctypes.c_int(program)) < 0:
        number = ctypes.get_errno()
        os.close(fd)
        raise OSError(number, os.strerror(number))
    return fd

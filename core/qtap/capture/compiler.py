"""From the C in `bpf/` to bytecode: a short-lived child compiles with BCC, and the result is kept on disk.

The key of a kept result is the source, what is asked of the compiler, and this build of the kernel, which decides the offsets
of its structures. A file that others could have written, or that is damaged, is ignored. With a kept result neither BCC nor
LLVM is needed. What every host needs is compiled first, so that capture begins before the rest is there.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from qtap.capture.bytecode import let_loops_begin_by_jumps, renumber_maps
from qtap.capture.checks import BCC_REMEDY
from qtap.capture.kept import keep, read_kept
from qtap.capture.offsets import OFFSETS, URING_OFFSETS, LayoutError, offset_flags

RING = 1000
"""What stands for the ring among the maps' numbers, in bpf/state.h."""
NEWS = 1001
"""Likewise, for the ring of what is urgent."""
LEVEL = 1818588268
"""What stands for the capture level, in bpf/emit.h."""
_HEADERS = (
    "record.h", "state.h", "lookup.h", "looks.h", "emit.h", "policy.h", "walk.h", "calls.h", "libraries.h", "handle.h", "tls.h",
    "association.h", "notices.h", "go.h",
)  # fmt: skip
_ESSENTIAL = (
    ("sockets.bpf.c", "ciphertext.bpf.c", "uring.bpf.c", "tcp.bpf.c"),
    ("files.bpf.c", "processes.bpf.c", "names.bpf.c", "handles.bpf.c", "openssl.bpf.c"),
)
_REST = (("jsse.bpf.c", "bio.bpf.c", "gnutls.bpf.c", "nss.bpf.c"), ("go.bpf.c", "rustls.h", "rustls.bpf.c"))
"""What is compiled together, each in a child of its own, two at the same time. Capture begins with the essential ones."""
PROGRAMS = {
    "on_sys_exit": "raw", "walk_socket": "raw", "head_socket": "raw", "gather_socket": "raw",
    "on_ciphertext": "raw", "on_jsse": "raw", "head_jsse": "raw", "on_sendfile": "raw", "on_names": "raw", "on_uring": "raw",
    "on_tcp_state": "raw", "on_exec": "raw", "on_exit": "raw", "on_fork": "raw",
    "ssl_enter": "uprobe", "ssl_enter_4": "uprobe", "ssl_enter_5": "uprobe", "ssl_leave_read": "uprobe",
    "ssl_leave_write": "uprobe", "walk_handle": "uprobe", "head_handle": "uprobe", "ssl_set_fd": "uprobe", "ssl_free": "uprobe",
    "ssl_enter_silent": "uprobe", "ssl_leave_silent": "uprobe", "ssl_set_bio": "uprobe", "ssl_clear": "uprobe",
    "ssl_enter_file": "uprobe", "ssl_leave_file": "uprobe", "new_ssl": "uprobe",
    "bio_enter_read": "uprobe", "bio_leave_read": "uprobe", "bio_enter_write": "uprobe",
    "gnutls_enter": "uprobe", "gnutls_enter_recv_int": "uprobe", "gnutls_leave_recv": "uprobe", "gnutls_leave_send": "uprobe",
    "nss_enter_recv": "uprobe", "nss_enter_send": "uprobe", "nss_leave_recv": "uprobe", "nss_leave_send": "uprobe",
    "go_write_record": "uprobe", "go_read_unlocks": "uprobe", "go_read_returns": "uprobe", "go_handshake": "uprobe",
    "go_close": "uprobe",
    "rustls_begin_read": "uprobe", "rustls_enter_receive": "uprobe", "rustls_leave_receive": "uprobe",
    "rustls_enter_send": "uprobe", "rustls_leave_send": "uprobe", "rustls_common": "uprobe",
    "rustls_encrypt": "uprobe", "rustls_decrypt": "uprobe", "rustls_processed": "uprobe", "rustls_decrypted": "uprobe",
    "rustls_enter_write": "uprobe", "rustls_leave_write": "uprobe",
    "rustls_enter_vectored": "uprobe", "rustls_leave_vectored": "uprobe", "rustls_enter_read": "uprobe",
    "rustls_leave_read": "uprobe", "rustls_enter_chunk": "uprobe", "rustls_leave_chunk": "uprobe",
    "rustls_consume": "uprobe", "rustls_drop": "uprobe",
}  # fmt: skip
"""Every program and whether a raw tracepoint or a uprobe runs it."""

_FLAGS = ("-O2", "-g0", "-Wno-everything")
_NICE = 10
"""Of the compiler while capture runs."""
_CACHE = Path("/var/cache/qtap-tui")
_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")


class CompileError(Exception):
    """The programs cannot be compiled here; the text is one sentence with its remedy."""


class Target(NamedTuple):
    """The kernel that programs are for."""

    release: str
    """As `uname -r` has it."""
    version: str
    """As `uname -v` has it."""
    notes: bytes
    """As /sys/kernel/notes has them: its build id."""
    types: Path = Path("/sys/kernel/btf/vmlinux")
    """Its BTF."""


class MapShape(NamedTuple):
    """What BPF_MAP_CREATE needs to know of one map."""

    name: str
    type: int
    key: int
    value: int
    entries: int
    flags: int


class Bytecode(NamedTuple):
    """Compiled programs; a map is referred to by its index in `maps`, the ring by RING."""

    maps: list[MapShape]
    programs: dict[str, bytes]


def is_kept(cache: Path = _CACHE) -> bool:
    """Say whether all programs will be found; else it takes seconds of two processors, in other processes."""
    return all((cache / _name(_texts(units), _running())).exists() for units in (_ESSENTIAL, _REST))


def essential(cache: Path = _CACHE, target: Target | None = None) -> Bytecode:
    """Give the programs that sockets, processes and OpenSSL need, from `cache` when they are there; raises CompileError.

    They are for this kernel, or for `target`.
    """
    return _group(_texts(_ESSENTIAL), cache, target or _running())


def rest(cache: Path = _CACHE, target: Target | None = None) -> Bytecode:
    """Give the others; raises CompileError."""
    return _group(_texts(_REST), cache, target or _running(), nice=_NICE)


def compiled(cache: Path = _CACHE, target: Target | None = None) -> Bytecode:
    """Give all programs; raises CompileError."""
    return _joined([essential(cache, target), rest(cache, target)])


def _group(texts: list[str], cache: Path, target: Target, *, nice: int = 0) -> Bytecode:
    name = _name(texts, target)
    kept = read_kept(cache / name)
    # A disk that lost power may have kept the name and not the content.
    known = _bytecode(kept, texts) if kept is not None else None
    if known is None:
        answer = _compile(texts, target.types, nice)
        known = _bytecode(answer, texts)
        if known is None:
            raise CompileError("the compile process gave no programs; report this with the output of qtap-tui doctor")
        keep(cache, name, answer)
    return known


def _joined(units: Sequence[Bytecode]) -> Bytecode:
    """Make one of several, in which the maps of one name are one."""
    maps: dict[str, MapShape] = {}
    programs: dict[str, bytes] = {}
    for unit in units:
        for shape in unit.maps:
            maps.setdefault(shape.name, shape)
        places = list(maps)
        numbers = {number: places.index(shape.name) for number, shape in enumerate(unit.maps)} | {RING: RING, NEWS: NEWS}
        programs |= {name: renumber_maps(code, numbers) for name, code in unit.programs.items()}
    return Bytecode(list(maps.values()), programs)


def _name(texts: list[str], target: Target) -> str:
    asked = (texts, OFFSETS, URING_OFFSETS, _FLAGS, target.release, target.version, target.notes.hex())
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:32] + ".json"


def _bytecode(answer: bytes, texts: list[str]) -> Bytecode | None:
    """Read what was compiled of `texts`; None when it is damaged."""
    try:
        found = msgspec.json.decode(answer)
        maps = [MapShape(**shape) for shape in found["maps"]]
        return Bytecode(maps, {name: bytes.fromhex(found["programs"][name]) for text in texts for name in _programs_in(text)})
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def data_folder() -> Path:
    """Where `bpf/` lies: beside the installed package, else at the root of the checkout."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "_data" / "bpf"
    return installed if installed.is_dir() else here.parents[3] / "bpf"


def _texts(units: Sequence[Sequence[str]]) -> list[str]:
    headers = [_numbered(name) for name in _HEADERS]
    return ["\n".join([*headers, *map(_numbered, unit)]) for unit in units]


def _programs_in(text: str) -> list[str]:
    return [name for name in PROGRAMS if f"\nint {name}(struct " in text]


@functools.cache
def _numbered(name: str) -> str:
    return f'#line 1 "bpf/{name}"\n{(data_folder() / name).read_text()}'


def _running() -> Target:
    try:
        notes = Path("/sys/kernel/notes").read_bytes()
    except OSError:
        notes = b""
    return Target(os.uname().release, os.uname().version, notes)


def _compile(texts: list[str], types: Path, nice: int) -> bytes:
    python = _python_with_bcc()
    try:
        flags = [*offset_flags(types), *_FLAGS]
    except LayoutError as error:
        raise CompileError(str(error)) from error
    asked = {"cflags": flags, "stub": str(data_folder() / "stub"), "nice": nice}
    requests = [{"text": text, "functions": _programs_in(text), **asked} for text in texts]
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(_child(python, request)) for request in requests]
        answers = [_answer(child) for child in children]
    known = [_bytecode(answer, [text]) for answer, text in zip(answers, texts, strict=True)]
    whole = _joined([unit for unit in known if unit])
    programs = {name: let_loops_begin_by_jumps(code).hex() for name, code in whole.programs.items()}
    return json.dumps({"maps": [shape._asdict() for shape in whole.maps], "programs": programs}).encode()


@contextlib.contextmanager
def _child(python: str, request: dict[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child, which ends with the block, or with this thread."""
    command = [python, "-I", str(Path(__file__).with_name("bcc_child.py"))]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - a fixed interpreter and our own file
    stdin, child.stdin = child.stdin, None  # communicate() minds a closed one
    assert stdin
    with child:
        with contextlib.suppress(BrokenPipeError), stdin:
            stdin.write(json.dumps(request).encode())
        try:
            yield child
        finally:
            child.kill()


def _answer(child: subprocess.Popen[bytes]) -> bytes:
    answer, errors = child.communicate()
    if child.returncode:
        last = errors.decode(errors="replace").strip().splitlines()
        shown = next((line for line in last if "error:" in line), last[-1] if last else "no message")
        raise CompileError(f"BCC could not compile the programs ({shown.strip()}); report this with `qtap-tui doctor`")
    return answer


def bcc_version() -> str:
    """Give the version of BCC's Python bindings, or an empty string; BCC itself is not imported."""
    found = _bcc_folder()
    if found is None:
        return ""
    match = re.search(r"__version__\s*=\s*['\"]([^'\"]+)", (found[1] / "version.py").read_text())
    return match[1] if match else "of unknown version"


def _python_with_bcc() -> str:
    """Give a Python that can import BCC's bindings, the system's first."""
    found = _bcc_folder()
    if found is None:
        raise CompileError(f"BCC's Python bindings are not installed: {BCC_REMEDY}")
    return found[0]


def _bcc_folder() -> tuple[str, Path] | None:
    """Find a Python with BCC and the package's folder. PyPI's `bcc` is another program: it has no libbcc."""
    probe = "import importlib.util as u; s=u.find_spec('bcc'); print(s.submodule_search_locations[0] if s else '')"
    for python in (*_PYTHONS, sys.executable):
        if Path(python).exists():
            done = subprocess.run([python, "-I", "-c", probe], capture_output=True, text=True, check=False)  # noqa: S603
            folder = Path(done.stdout.strip() or "/nonexistent")
            if (folder / "libbcc.py").exists():
                return python, folder
    return None

"""From the C in `bpf/` to bytecode: a short-lived child compiles with BCC, and the result is kept on disk.

The key of a kept result is the source, what is asked of the compiler, and this build of the kernel, which decides the offsets
of its structures. A file that others could have written, or that is damaged, is ignored. With a kept result neither BCC nor
LLVM is needed: a start takes 0.1 s instead of 1 s.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from qtap.capture import btf
from qtap.capture.bytecode import let_loops_begin_by_jumps, renumber_maps
from qtap.capture.checks import BCC_REMEDY
from qtap.capture.kept import keep, read_kept

RING = 1000
"""What stands for the ring among the maps' numbers, in bpf/state.h."""
LEVEL = 1818588268
"""What stands for the capture level, in bpf/emit.h."""
_HEADERS = (
    "record.h", "state.h", "lookup.h", "emit.h", "policy.h", "walk.h", "libraries.h", "tls.h", "association.h", "notices.h",
    "go.h",
)  # fmt: skip
_UNITS = (
    ("sockets.bpf.c", "ciphertext.bpf.c", "files.bpf.c", "names.bpf.c", "uring.bpf.c", "jsse.bpf.c", "processes.bpf.c"),
    ("handles.bpf.c", "openssl.bpf.c", "bio.bpf.c", "gnutls.bpf.c", "nss.bpf.c", "go.bpf.c", "rustls.h", "rustls.bpf.c"),
)
"""Compiled at the same time, each by a child of its own: 1.2 s instead of 2 where two processors are free."""
PROGRAMS = {
    "on_sys_exit": "raw", "walk_socket": "raw", "head_socket": "raw", "gather_socket": "raw",
    "on_ciphertext": "raw", "on_jsse": "raw", "head_jsse": "raw", "on_sendfile": "raw", "on_names": "raw", "on_uring": "raw",
    "on_tcp_state": "raw", "on_exec": "raw", "on_exit": "raw", "on_fork": "raw",
    "ssl_enter": "uprobe", "ssl_enter_4": "uprobe", "ssl_enter_5": "uprobe", "ssl_leave_read": "uprobe",
    "ssl_leave_write": "uprobe", "walk_handle": "uprobe", "head_handle": "uprobe", "ssl_set_fd": "uprobe", "ssl_free": "uprobe",
    "ssl_enter_silent": "uprobe", "ssl_leave_silent": "uprobe", "ssl_set_bio": "uprobe",
    "ssl_enter_file": "uprobe", "ssl_leave_file": "uprobe",
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

_OFFSETS = {
    "OFF_TASK_FILES": ("task_struct", "files"),
    "OFF_TASK_TGID": ("task_struct", "tgid"),
    "OFF_TASK_MM": ("task_struct", "mm"),
    "OFF_TASK_REAL_PARENT": ("task_struct", "real_parent"),
    "OFF_MM_ARG_START": ("mm_struct", "arg_start"),
    "OFF_MM_ARG_END": ("mm_struct", "arg_end"),
    "OFF_BPRM_FILENAME": ("linux_binprm", "filename"),
    "OFF_FILES_FDT": ("files_struct", "fdt"),
    "OFF_FDT_FD": ("fdtable", "fd"),
    "OFF_FILE_PRIVATE": ("file", "private_data"),
    "OFF_FILE_INODE": ("file", "f_inode"),
    "OFF_FILE_DENTRY": ("file", "f_path.dentry"),
    "OFF_DENTRY_NAME": ("dentry", "d_name.name"),
    "OFF_INODE_INO": ("inode", "i_ino"),
    "OFF_INODE_SIZE": ("inode", "i_size"),
    "OFF_INODE_SB": ("inode", "i_sb"),
    "OFF_SOCKET_FILE": ("socket", "file"),
    "OFF_SOCKET_SK": ("socket", "sk"),
    "OFF_SK_PROTOCOL": ("sock", "sk_protocol"),
    "OFF_SKC_ADDRPAIR": ("sock_common", "skc_addrpair"),
    "OFF_SKC_PORTPAIR": ("sock_common", "skc_portpair"),
    "OFF_SKC_FAMILY": ("sock_common", "skc_family"),
    "OFF_SKC_V6_DADDR": ("sock_common", "skc_v6_daddr"),
    "OFF_SKC_V6_SADDR": ("sock_common", "skc_v6_rcv_saddr"),
    "OFF_SKC_FLAGS": ("sock_common", "skc_flags"),
    "OFF_TCP_BYTES_SENT": ("tcp_sock", "bytes_sent"),
    "OFF_TCP_BYTES_RETRANS": ("tcp_sock", "bytes_retrans"),
    "OFF_TCP_BYTES_RECEIVED": ("tcp_sock", "bytes_received"),
    "OFF_TCP_RCV_NXT": ("tcp_sock", "rcv_nxt"),
    "OFF_TCP_COPIED_SEQ": ("tcp_sock", "copied_seq"),
    "OFF_TASK_FS": ("task_struct", "fs"),
    "OFF_FS_ROOT_MNT": ("fs_struct", "root.mnt"),
    "OFF_FS_ROOT_DENTRY": ("fs_struct", "root.dentry"),
    "OFF_FILE_POS": ("file", "f_pos"),
    "OFF_FILE_MNT": ("file", "f_path.mnt"),
    "OFF_DENTRY_PARENT": ("dentry", "d_parent"),
    "OFF_VFSMOUNT_ROOT": ("vfsmount", "mnt_root"),
    "OFF_MOUNT_MNT": ("mount", "mnt"),
    "OFF_MOUNT_PARENT": ("mount", "mnt_parent"),
    "OFF_MOUNT_MOUNTPOINT": ("mount", "mnt_mountpoint"),
    "OFF_TASK_SIGNAL": ("task_struct", "signal"),
    "OFF_SIGNAL_LIVE": ("signal_struct", "live"),
}
_URING_OFFSETS = {
    "OFF_REQ_FILE": ("io_kiocb", "file"),
    "OFF_REQ_OPCODE": ("io_kiocb", "opcode"),
    "OFF_REQ_RESULT": ("io_kiocb", "cqe.res"),
    "OFF_RW_ADDR": ("io_rw", "addr"),
    "OFF_RW_LEN": ("io_rw", "len"),
    "OFF_SR_BUF": ("io_sr_msg", "buf"),
    "OFF_SR_DONE": ("io_sr_msg", "done_io"),
    "OFF_SR_MSG_FLAGS": ("io_sr_msg", "msg_flags"),
    "OFF_SR_FLAGS": ("io_sr_msg", "flags"),
}
"""A kernel without io_uring, or older than 5.19, lacks some of them."""
_FLAGS = ("-O2", "-Wno-everything")
_POINTER = 8
_CACHE = Path("/var/cache/qtap-tui")
_BTF = Path("/sys/kernel/btf/vmlinux")
_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")


class CompileError(Exception):
    """The programs cannot be compiled here; the text is one sentence with its remedy."""


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
    """Say whether `compiled` will find the programs; else it takes a second or two of one processor, in another process."""
    return (cache / _name(_sources())).exists()


def compiled(cache: Path = _CACHE) -> Bytecode:
    """Give the programs for this kernel, from `cache` when they are there; raises CompileError."""
    sources = _sources()
    name = _name(sources)
    kept = read_kept(cache / name)
    # A disk that lost power may have kept the name and not the content.
    known = _bytecode(kept) if kept is not None else None
    if known is None:
        answer = _compile(sources)
        known = _bytecode(answer)
        if known is None:
            raise CompileError("the compile process gave no programs; report this with the output of qtap-tui doctor")
        keep(cache, name, answer)
    return known


def _name(sources: list[str]) -> str:
    asked = (sources, PROGRAMS, _OFFSETS, _URING_OFFSETS, _FLAGS, os.uname().release, os.uname().version, _build_id())
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:32] + ".json"


def _bytecode(answer: bytes) -> Bytecode | None:
    """Read what the compile process wrote; None when it is damaged."""
    try:
        found = msgspec.json.decode(answer)
        maps = [MapShape(**shape) for shape in found["maps"]]
        return Bytecode(maps, {name: bytes.fromhex(found["programs"][name]) for name in PROGRAMS})
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def data_folder() -> Path:
    """Where `bpf/` lies: beside the installed package, else at the root of the checkout."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "_data" / "bpf"
    return installed if installed.is_dir() else here.parents[3] / "bpf"


def _sources() -> list[str]:
    """Give the text of each unit."""
    return ["\n".join(map(_numbered, [*_HEADERS, *unit])) for unit in _UNITS]


def _numbered(name: str) -> str:
    return f'#line 1 "bpf/{name}"\n{(data_folder() / name).read_text()}'


def _build_id() -> str:
    try:
        return Path("/sys/kernel/notes").read_bytes().hex()
    except OSError:
        return ""


def _offset_flags() -> list[str]:
    try:
        types = btf.Btf.load(_BTF)
        offsets = {member: types.offset_of(*member) for member in _OFFSETS.values()}
    except btf.BtfError as error:
        raise CompileError(f"the kernel's type information cannot be used: {error}") from error
    if offsets["socket", "sk"] != offsets["socket", "file"] + _POINTER:
        raise CompileError("this kernel's struct socket has an unknown layout; report this with the output of qtap-tui doctor")
    flags = [f"-D{macro}={offsets[member]}" for macro, member in _OFFSETS.items()]
    last = max(offsets["sock_common", "skc_addrpair"] + 8, offsets["sock_common", "skc_portpair"] + 4)
    last = max(last, offsets["sock_common", "skc_family"] + 2)
    return [*flags, *_uring_flags(types), f"-DSOCK_HEAD_LEN={(last + 7) & ~7}"]


def _uring_flags(types: btf.Btf) -> list[str]:
    try:
        return [f"-D{macro}={types.offset_of(*member)}" for macro, member in _URING_OFFSETS.items()]
    except btf.BtfError:
        return []


def _compile(sources: list[str]) -> bytes:
    python = _python_with_bcc()
    flags = [*_offset_flags(), *_FLAGS]
    with ThreadPoolExecutor(len(sources)) as pool:
        answers = list(pool.map(lambda source: _compile_unit(python, source, flags), sources))
    maps: dict[str, dict[str, object]] = {}
    programs: dict[str, str] = {}
    for answer in answers:
        for shape in answer["maps"]:
            maps.setdefault(shape["name"], shape)
        places = list(maps)
        numbers = {number: places.index(shape["name"]) for number, shape in enumerate(answer["maps"])} | {RING: RING}
        for name, code in answer["programs"].items():
            programs[name] = let_loops_begin_by_jumps(renumber_maps(bytes.fromhex(code), numbers)).hex()
    return json.dumps({"maps": list(maps.values()), "programs": programs}).encode()


def _compile_unit(python: str, source: str, flags: list[str]) -> dict[str, Any]:
    functions = [name for name in PROGRAMS if f"\nint {name}(struct " in source]
    request = {"text": source, "cflags": flags, "stub": str(data_folder() / "stub"), "functions": functions}
    child = Path(__file__).with_name("bcc_child.py")
    done = subprocess.run(  # noqa: S603 - a fixed interpreter and our own file
        [python, "-I", str(child)], input=json.dumps(request).encode(), capture_output=True, check=False
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        shown = next((line for line in last if "error:" in line), last[-1] if last else "no message")
        raise CompileError(f"BCC could not compile the programs ({shown.strip()}); report this with `qtap-tui doctor`")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"maps": [], "programs": {}}
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

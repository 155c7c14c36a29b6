"""Where this kernel keeps what the programs read: the OFF_* macros of `bpf/`, from the kernel's own type information (BTF)."""

from __future__ import annotations

from pathlib import Path

from qtap.capture import btf

OFFSETS = {
    "OFF_TASK_FILES": ("task_struct", "files"),
    "OFF_TASK_TGID": ("task_struct", "tgid"),
    "OFF_TASK_SELF_EXEC_ID": ("task_struct", "self_exec_id"),
    "OFF_TASK_MM": ("task_struct", "mm"),
    "OFF_TASK_REAL_PARENT": ("task_struct", "real_parent"),
    "OFF_MM_ARG_START": ("mm_struct", "arg_start"),
    "OFF_MM_ARG_END": ("mm_struct", "arg_end"),
    "OFF_MM_EXE_FILE": ("mm_struct", "exe_file"),
    "OFF_FILES_FDT": ("files_struct", "fdt"),
    "OFF_FDT_FD": ("fdtable", "fd"),
    "OFF_FILE_PRIVATE": ("file", "private_data"),
    "OFF_FILE_INODE": ("file", "f_inode"),
    "OFF_FILE_DENTRY": ("file", "f_path.dentry"),
    "OFF_DENTRY_NAME": ("dentry", "d_name.name"),
    "OFF_INODE_INO": ("inode", "i_ino"),
    "OFF_INODE_SIZE": ("inode", "i_size"),
    "OFF_INODE_SB": ("inode", "i_sb"),
    "OFF_INODE_GENERATION": ("inode", "i_generation"),
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
URING_OFFSETS = {
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
_POINTER = 8


class LayoutError(Exception):
    """The kernel's structures are not as the programs need them; the text is one sentence."""


def offset_flags(blob: Path) -> list[str]:
    """Give a compiler flag for each macro, by the kernel's BTF in the file `blob`; raises LayoutError."""
    try:
        types = btf.Btf.load(blob)
        offsets = {member: types.offset_of(*member) for member in OFFSETS.values()}
    except btf.BtfError as error:
        raise LayoutError(f"the kernel's type information cannot be used: {error}") from error
    if offsets["socket", "sk"] != offsets["socket", "file"] + _POINTER:
        raise LayoutError("this kernel's struct socket has an unknown layout; report this with the output of qtap-tui doctor")
    flags = [f"-D{macro}={offsets[member]}" for macro, member in OFFSETS.items()]
    last = max(offsets["sock_common", "skc_addrpair"] + 8, offsets["sock_common", "skc_portpair"] + 4)
    last = max(last, offsets["sock_common", "skc_family"] + 2)
    return [*flags, *_uring_flags(types), f"-DSOCK_HEAD_LEN={(last + 7) & ~7}"]


def shows_uring() -> bool:
    """Say whether what passes through io_uring can be read on this kernel."""
    try:
        return bool(_uring_flags(btf.Btf.load()))
    except btf.BtfError:
        return False


def _uring_flags(types: btf.Btf) -> list[str]:
    try:
        return [f"-D{macro}={types.offset_of(*member)}" for macro, member in URING_OFFSETS.items()]
    except btf.BtfError:
        return []

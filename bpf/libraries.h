/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * A file mapped with execute permission whose name begins with "libssl": tell user space, once per file, so that it can set its
 * probes before the first call.
 */
#define PROT_EXEC 4

static __always_inline int on_map(const struct saved *regs) {
    struct seen_key key = {};
    char name[8] = {};
    if (!(regs->dx & PROT_EXEC) || (s32)regs->r8 < 0)
        return 0;
    u64 file = file_of(regs->r8);
    u64 dentry = read_u64(file + OFF_FILE_DENTRY);
    bpf_probe_read_kernel(name, 6, (void *)read_u64(dentry + OFF_DENTRY_NAME));
    if (name[0] != 'l' || name[1] != 'i' || name[2] != 'b' || name[3] != 's' || name[4] != 's' || name[5] != 'l')
        return 0;
    u64 inode = read_u64(file + OFF_FILE_INODE);
    key.ino = read_u64(inode + OFF_INODE_INO);
    key.superblock = read_u64(inode + OFF_INODE_SB);
    if (seen_libraries.lookup(&key))
        return 0;
    u32 seen = 1;
    seen_libraries.update(&key, &seen);
    struct record h = {
        .type = REC_LIBRARY,
        .ts = bpf_ktime_get_ns(),
        .tgid = bpf_get_current_pid_tgid() >> 32,
        .pos = key.ino,
        .handle = key.superblock,
    };
    emit_bare(&h, 0);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * A file mapped with execute permission that is large enough to hold a TLS library: tell user space, once per file, so that it
 * can set its probes before the first call.
 */
#define PROT_EXEC 4
#define LEAST_LIBRARY 65536 /* as in core/qtap/capture/libraries.py */

/* The Java virtual machine, whose TLS is no library: it is told of for every process. */
static __always_inline void tell_jvm(u64 file) {
    char name[8] = {};
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    const struct config *c = allowed(tgid, SKIP_PLAINTEXT);
    if (!c || !c->java)
        return;
    bpf_probe_read_kernel(name, 7, (void *)read_u64(read_u64(file + OFF_FILE_DENTRY) + OFF_DENTRY_NAME));
    if (*(u64 *)name != 0x2e6d766a62696cULL) /* "libjvm." in memory */
        return;
    struct record h = {.type = REC_JVM, .ts = bpf_ktime_get_ns(), .tgid = tgid};
    emit_bare(&h, 0);
}

/*
 * pivot_root(2): a runtime has put together a container, and will run its program in some milliseconds. Its libraries can have
 * their probes by then.
 */
static __always_inline void on_new_root(void) {
    struct seen_key none = {};
    tell_news(REC_ROOT, &none);
    struct record h = {.type = REC_ROOT, .ts = bpf_ktime_get_ns(), .tgid = bpf_get_current_pid_tgid() >> 32};
    emit_bare(&h, 0);
}

static __always_inline int on_map(const struct saved *regs) {
    struct seen_key key = {};
    if (!(regs->dx & PROT_EXEC) || (s32)regs->r8 < 0)
        return 0;
    u64 file = file_of(regs->r8);
    tell_jvm(file);
    u64 inode = read_u64(file + OFF_FILE_INODE);
    if (read_u64(inode + OFF_INODE_SIZE) < LEAST_LIBRARY)
        return 0;
    key.ino = read_u64(inode + OFF_INODE_INO);
    key.superblock = read_u64(inode + OFF_INODE_SB);
    key.generation = (u32)read_u64(inode + OFF_INODE_GENERATION);
    if (seen_libraries.lookup(&key))
        return 0;
    u32 seen = 1;
    seen_libraries.update(&key, &seen);
    tell_news(REC_LIBRARY, &key);
    struct record h = {
        .type = REC_LIBRARY,
        .ts = bpf_ktime_get_ns(),
        .tgid = bpf_get_current_pid_tgid() >> 32,
        .pos = key.ino,
        .handle = key.superblock,
        .sk = key.generation,
    };
    emit_bare(&h, 0);
    return 0;
}

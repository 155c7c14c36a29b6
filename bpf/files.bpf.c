/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Paths of files, walked from their entry up to the root of the process, across mounts; and sendfile: the bytes go from the page
 * cache to the socket, and no program can read them there. But they are in a file, and user space is told which.
 */
#define PATH_LEN 1024
#define NAME_LEN 256 /* NAME_MAX and its NUL */
#define PATH_STEPS 32

/* Appends the names of a file's path to the data of a record, whose `len` is 0, from `start` on. Gives 1 when it leads to the root. */
static __always_inline int walk_path(struct record *rec, const u32 start, u64 file) {
    u64 entry = read_u64(file + OFF_FILE_DENTRY), mount = read_u64(file + OFF_FILE_MNT);
    u64 fs = read_u64(bpf_get_current_task() + OFF_TASK_FS);
    u64 root = read_u64(fs + OFF_FS_ROOT_DENTRY), root_mount = read_u64(fs + OFF_FS_ROOT_MNT);
#pragma nounroll
    for (u32 i = 0; i < PATH_STEPS; i++) {
        if (entry == root && mount == root_mount)
            return 1;
        if (entry == read_u64(mount + OFF_VFSMOUNT_ROOT)) {
            u64 inner = mount - OFF_MOUNT_MNT; /* struct mount, of which this is a member */
            entry = read_u64(inner + OFF_MOUNT_MOUNTPOINT);
            mount = read_u64(inner + OFF_MOUNT_PARENT) + OFF_MOUNT_MNT;
            continue;
        }
        u32 at = rec->len;
        if (at >= PATH_LEN)
            return 0;
        s32 n = bpf_probe_read_kernel_str(rec->data + start + (at & (PATH_LEN - 1)), NAME_LEN,
                                          (void *)read_u64(entry + OFF_DENTRY_NAME));
        if (n <= 0)
            return 0;
        rec->len = at + n;
        entry = read_u64(entry + OFF_DENTRY_PARENT);
    }
    return 0;
}

int on_sendfile(struct bpf_raw_tracepoint_args *ctx) {
    struct saved regs;
    struct sock_head head;
    bpf_probe_read_kernel(&regs, sizeof regs, (void *)(ctx->args[0] + __builtin_offsetof(struct pt_regs, r10)));
    u64 sk = socket_of(regs.di), file = file_of(regs.si), n = ctx->args[1], end = 0;
    struct socket_state *state = sockets.lookup(&sk);
    if (!state || !file || read_sock_head(&head, sk))
        return 0;
    if (regs.dx)
        bpf_probe_read_user(&end, sizeof end, (void *)regs.dx); /* the call has moved it on */
    else
        end = read_u64(file + OFF_FILE_POS);
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec + sizeof(struct file_piece) + PATH_LEN + NAME_LEN, 0);
    struct stream *stream = &state->streams[OUT];
    if (!rec) {
        lose(n);
        stream->pos += n;
        return 0;
    }
    __builtin_memset(rec, 0, sizeof *rec + sizeof(struct file_piece));
    fill_socket_header(rec, sk, state, &head, stream);
    stream->pos += n;
    rec->total = n;
    rec->level = LEVEL_FULL;
    rec->flags |= FLAG_UNSEEN | FLAG_FILE;
    struct file_piece *piece = (void *)rec->data;
    u64 inode = read_u64(file + OFF_FILE_INODE);
    piece->inode = read_u64(inode + OFF_INODE_INO);
    piece->superblock = read_u64(inode + OFF_INODE_SB);
    piece->offset = end - n;
    piece->path_known = walk_path(rec, sizeof *piece, file);
    rec->len += sizeof *piece;
    submit(rec);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * From a file descriptor to its socket, and from a socket to its addresses. OFF_* are this kernel's offsets, taken from its BTF.
 */
#define AF_INET 2
#define AF_INET6 10
#define TCP_PROTOCOL 6
#define UDP_PROTOCOL 17

static __always_inline u64 read_u64(u64 address) {
    u64 value = 0;
    bpf_probe_read_kernel(&value, sizeof value, (void *)address);
    return value;
}

/* Which program this process runs, by number: each exec(2) adds one (begin_new_exec), threads and children begin with the same. */
static __always_inline u32 this_image(void) {
    u32 image = 0;
    bpf_probe_read_kernel(&image, sizeof image, (void *)(bpf_get_current_task() + OFF_TASK_SELF_EXEC_ID));
    return image;
}

/* The key of a TLS handle of this process. */
static __always_inline struct handle_key this_handle(u64 handle) {
    struct handle_key key = {.handle = handle, .tgid = bpf_get_current_pid_tgid() >> 32, .image = this_image()};
    return key;
}

static __always_inline u64 file_of(u32 fd) {
    u64 files = read_u64(bpf_get_current_task() + OFF_TASK_FILES);
    u64 table = read_u64(files + OFF_FILES_FDT);
    u64 fds = read_u64(table + OFF_FDT_FD);
    return fds ? read_u64(fds + 8 * (u64)fd) : 0;
}

/* The struct sock of a file, 0 when it is no socket: only a struct socket points back to its file. */
static __always_inline u64 socket_of_file(u64 file) {
    u64 socket = read_u64(file + OFF_FILE_PRIVATE);
    struct {
        u64 file, sk;
    } pair = {}; /* neighbours in struct socket, which the loader checks */
    if (!socket || bpf_probe_read_kernel(&pair, sizeof pair, (void *)(socket + OFF_SOCKET_FILE)) || pair.file != file)
        return 0;
    return pair.sk;
}

static __always_inline u64 socket_of(u32 fd) {
    u64 file = file_of(fd);
    return file ? socket_of_file(file) : 0;
}

/* The first bytes of every struct sock: addresses, ports, family (struct sock_common). */
struct sock_head {
    u8 bytes[SOCK_HEAD_LEN];
};
#define HEAD_ADDRESS(h) (*(u64 *)((h)->bytes + OFF_SKC_ADDRPAIR))
#define HEAD_PORTS(h) (*(u32 *)((h)->bytes + OFF_SKC_PORTPAIR))
#define HEAD_FAMILY(h) (*(u16 *)((h)->bytes + OFF_SKC_FAMILY))

static __always_inline int read_sock_head(struct sock_head *head, u64 sk) {
    return bpf_probe_read_kernel(head, sizeof *head, (void *)sk);
}

/* Whether the other end is on this host by its address: 127.0.0.0/8, ::1, or the former mapped (RFC 4291 section 2.5.5.2). */
static __always_inline int is_loopback(const struct sock_head *head, u64 sk) {
    u32 remote[4] = {};
    if (HEAD_FAMILY(head) == AF_INET)
        return (u8)HEAD_ADDRESS(head) == 127;
    if (HEAD_FAMILY(head) != AF_INET6 || bpf_probe_read_kernel(remote, sizeof remote, (void *)(sk + OFF_SKC_V6_DADDR)))
        return 0;
    if (remote[0] || remote[1])
        return 0;
    return remote[2] ? remote[2] == 0xffff0000 && (u8)remote[3] == 127 : remote[3] == 0x01000000;
}

/* Writes a socket's addresses into a struct record or a struct handle_state. */
#define PUT_ADDRESS(to, head, sk)                                                            \
    do {                                                                                     \
        u32 ports = HEAD_PORTS(head);                                                        \
        (to)->family = HEAD_FAMILY(head);                                                    \
        (to)->local_port = ports >> 16;                                                      \
        (to)->remote_port = __builtin_bswap16((u16)ports);                                   \
        __builtin_memset((to)->remote, 0, 16);                                               \
        __builtin_memset((to)->local, 0, 16);                                                \
        if ((to)->family == AF_INET6) {                                                      \
            bpf_probe_read_kernel((to)->remote, 16, (void *)((sk) + OFF_SKC_V6_DADDR));      \
            bpf_probe_read_kernel((to)->local, 16, (void *)((sk) + OFF_SKC_V6_SADDR));       \
        } else {                                                                             \
            u64 pair = HEAD_ADDRESS(head);                                                   \
            *(u32 *)(to)->remote = (u32)pair;                                                \
            *(u32 *)(to)->local = (u32)(pair >> 32);                                         \
        }                                                                                    \
    } while (0)

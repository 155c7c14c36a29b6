/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Which socket a crypto/tls connection of a Go program uses (x86-64, Go 1.17 and newer, ABIInternal: r14 is the goroutine).
 *
 * A handle is the address of a crypto/tls.Conn. Mostly it holds a net.TCPConn, whose netFD tells the descriptor. Where the program
 * wrapped that in a type of its own, the goroutine tells: it is the same in a write on the handle and in the system call inside.
 * Threads tell nothing, since a goroutine may change them at any call.
 */
#define GO_SOCK_STREAM 1
#define GO_FD_LIMIT (1 << 24)

/* net.netFD up to sotype: internal/poll.FD, then family and sotype (the same on Linux from 1.17 to 1.27). */
struct go_net_fd {
    u64 mutex[2];
    s64 fd;
    u64 pointers[2];
    u32 semaphore;
    u32 is_blocking;
    u8 is_stream;
    u8 zero_is_end;
    u8 is_file;
    u8 pad[5];
    s64 family;
    s64 sotype;
};

struct goroutine {
    u32 tgid;
    u32 image; /* as in struct handle_key */
    u64 g;
};
/* Goroutines that last wrote on a handle without socket, and that handle. */
BPF_TABLE("lru_hash", struct goroutine, u64, go_writers, 4096);

/* The socket of the net.TCPConn in a crypto/tls.Conn, whose first field is a net.Conn (type, value); 0 when another type is there. */
static __always_inline u64 go_socket(u64 conn) {
    u64 value = 0, net_fd = 0;
    struct go_net_fd fd;
    if (bpf_probe_read_user(&value, 8, (void *)(conn + 8)) || bpf_probe_read_user(&net_fd, 8, (void *)value) ||
        bpf_probe_read_user(&fd, sizeof fd, (void *)net_fd))
        return 0;
    if (fd.sotype != GO_SOCK_STREAM || (fd.family != AF_INET && fd.family != AF_INET6) || fd.is_stream != 1 || fd.is_file)
        return 0;
    return (u64)fd.fd < GO_FD_LIMIT ? socket_of(fd.fd) : 0;
}

/* The handle's socket; its system calls are looked for when it is not known. */
static __always_inline u64 go_handle_socket(const struct handle_key *key) {
    struct handle_state *state = handles.lookup(key);
    if (state && (state->sk || state->kind >= KIND_OTHER))
        return state->sk;
    u64 sk = go_socket(key->handle);
    if (!sk)
        seek(key->tgid);
    return sk;
}

/* A write on a socket that is sought: of the handle that this goroutine is writing on, if ciphertext begins there. */
static __always_inline void go_wire_passed(u64 regs, u64 sk, u32 tgid, u64 base, u64 n) {
    struct goroutine writer = {.tgid = tgid, .image = this_image()};
    struct looks looks;
    bpf_probe_read_kernel(&writer.g, 8, (void *)(regs + __builtin_offsetof(struct pt_regs, r14)));
    u64 *handle = go_writers.lookup(&writer);
    if (!handle || n < 5 || read_looks(&looks, base, n) || !looks_like_tls(&looks))
        return;
    struct handle_key key = {.handle = *handle, .tgid = tgid, .image = writer.image};
    go_writers.delete(&writer);
    associate(&key, sk);
}

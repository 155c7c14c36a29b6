/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Which socket a TLS handle uses when the library makes no system call itself: it reads and writes memory (OpenSSL's memory and
 * custom BIOs, Java's SSLEngine), and the program carries the ciphertext to and from the socket, on any thread.
 *
 * A TLS record is told by the first 24 bytes of its body, its print. A process passes each record through a socket and through
 * a handle; whichever is first leaves the print, the other finds it and so both belong together, at any record of a connection:
 *
 *   received   wire_passed(IN) leaves the socket        handle_passed(IN) finds it
 *   sent       handle_passed(OUT) leaves the handle     wire_passed(OUT) finds it
 *
 * Prints are compared whole and belong to one process, so the two ends of a connection, or a proxy between them, never mix.
 */
#define LOOKS_FOR_HANDLE 64 /* records of a socket to print while no handle of its process is known to lack a socket */
#define RECORD_HEADER 5
#define PRINT_LEN 24

struct print {
    u64 words[PRINT_LEN / 8];
    u64 tgid;
};
/* The addresses tell a struct sock that was given to another connection since. */
struct print_socket {
    u64 sk;
    u64 address;
    u64 ports;
};
BPF_TABLE("lru_hash", struct print, struct print_socket, received_prints, 16384);
BPF_TABLE("lru_hash", struct print, struct handle_key, sent_prints, 16384);
/* The processes in which a handle had no socket when its ciphertext passed. */
BPF_TABLE("lru_hash", u32, u8, seekers, 4096);

/* A record's first bytes, so placed that its body is aligned. */
union opening {
    u8 bytes[8 + PRINT_LEN];
    u64 words[1 + PRINT_LEN / 8];
};
#define OPENING_AT (8 - RECORD_HEADER)
#define OPENING_LEN (RECORD_HEADER + PRINT_LEN)

/*
 * Whether no other record's body begins so: encrypted data, or the random of a ClientHello or ServerHello (RFC 8446 sections
 * 4.1.2 and 4.1.3; that of a HelloRetryRequest is fixed). Certificates, for one, are alike in all connections of a server.
 */
static __always_inline int is_unique(const union opening *o) {
    const u8 *header = o->bytes + OPENING_AT, *body = o->bytes + 8;
    u32 length = (u32)header[3] << 8 | header[4];
    if (header[1] != 3 || header[2] > 4 || length < PRINT_LEN)
        return 0;
    if (header[0] != 0x16)
        return header[0] == 0x17;
    int is_retry = body[6] == 0xcf && body[7] == 0x21 && body[8] == 0xad && body[9] == 0x74;
    return body[0] == 1 || (body[0] == 2 && !is_retry);
}

/* The print of the record at `base`; 0 when none that is unique begins there. */
static __always_inline int read_print(struct print *print, u32 tgid, u64 base, u64 n) {
    union opening o = {};
    if (n < OPENING_LEN || bpf_probe_read_user(o.bytes + OPENING_AT, OPENING_LEN, (void *)base) || !is_unique(&o))
        return 0;
    print->words[0] = o.words[1];
    print->words[1] = o.words[2];
    print->words[2] = o.words[3];
    print->tgid = tgid;
    return 1;
}

/* The handle's socket is found. What was told of the handle without it is mended by a record of no bytes that carries it. */
static __always_inline void associate(const struct handle_key *key, u64 sk) {
    struct handle_state *state = handles.lookup(key);
    int was_http = state && is_http(state->kind);
    state = handle_state(key, sk);
    if (!state || !(was_http || is_http(state->kind)))
        return;
    struct stream *stream = &state->streams[state->streams[OUT].seq ? OUT : IN];
    if (!stream->seq)
        return;
    struct record h = {.dir = stream == &state->streams[OUT] ? OUT : IN};
    fill_handle_header(&h, key->handle, state, stream, 0);
    emit_bare(&h, 0);
}

/* Whether the ciphertext of this socket is looked at: no handle is known to use it, and one may yet. */
static __always_inline int is_sought(const struct socket_state *state, u32 tgid, u8 dir) {
    if (state->is_bound || state->kind == KIND_MUTED)
        return 0;
    if (state->kind == KIND_IGNORED) /* its handle is to be ignored as well */
        return seekers.lookup(&tgid) != 0;
    if (state->kind == KIND_OTHER) /* or it was in the middle of something when capture began */
        return !state->from_start && seekers.lookup(&tgid);
    return state->streams[dir & 1].looks < LOOKS_FOR_HANDLE || seekers.lookup(&tgid);
}

/* `n` bytes of ciphertext at `base` passed through a socket that is sought. */
static __always_inline void wire_passed(u64 sk, struct socket_state *state, const struct sock_head *head, u32 tgid, u8 dir,
                                        u64 base, u64 n) {
    struct print print;
    struct stream *stream = &state->streams[dir & 1];
    if (stream->looks < LOOKS_FOR_HANDLE)
        stream->looks++;
    if (!read_print(&print, tgid, base, n))
        return;
    if (dir == IN) {
        struct print_socket found = {.sk = sk, .address = HEAD_ADDRESS(head), .ports = HEAD_PORTS(head)};
        received_prints.update(&print, &found);
        return;
    }
    struct handle_key *known = sent_prints.lookup(&print);
    if (!known)
        return;
    struct handle_key key = *known;
    sent_prints.delete(&print);
    associate(&key, sk);
}

/* `n` bytes of ciphertext at `base` passed through a handle without socket; of received ones the header may have passed before. */
static __always_inline void handle_passed(const struct handle_key *key, u8 dir, u64 base, u64 n) {
    struct print print = {.tgid = key->tgid};
    struct sock_head head;
    int is_whole = read_print(&print, key->tgid, base, n);
    if (dir == OUT) {
        if (is_whole)
            sent_prints.update(&print, (struct handle_key *)key);
        return;
    }
    if (!is_whole && (n < PRINT_LEN || bpf_probe_read_user(print.words, PRINT_LEN, (void *)base)))
        return;
    struct print_socket *known = received_prints.lookup(&print);
    if (!known)
        return;
    struct print_socket found = *known;
    received_prints.delete(&print);
    if (!read_sock_head(&head, found.sk) && HEAD_ADDRESS(&head) == found.address && HEAD_PORTS(&head) == found.ports)
        associate(key, found.sk);
}

/* This process has a handle without socket: its sockets are looked at for as long as it takes. */
static __always_inline void seek(u32 tgid) {
    u8 one = 1;
    if (!seekers.lookup(&tgid))
        seekers.update(&tgid, &one);
}

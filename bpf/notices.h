/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What user space learns of connections that carry no plain HTTP: that they are, and of TLS the first record of each direction,
 * which tells version, name and protocol in the clear. Each direction is looked at once; a server reads the record's header
 * alone, then the rest.
 */
static __always_inline void fill_socket_header(struct record *h, u64 sk, struct socket_state *state,
                                               const struct sock_head *head, struct stream *stream) {
    h->ts = bpf_ktime_get_ns();
    h->sk = sk;
    h->pos = stream->pos;
    h->opened = state->opened;
    h->tgid = bpf_get_current_pid_tgid() >> 32;
    h->seq = stream->seq++;
    h->type = REC_DATA;
    h->flags = state->from_start ? FLAG_FROM_START : 0;
    PUT_ADDRESS(h, head, sk);
}

/* What user space learns of a connection that carries no plain HTTP. */
static __always_inline void fill_notice(struct record *h, u64 sk, struct socket_state *state, const struct sock_head *head,
                                        u8 type) {
    fill_socket_header(h, sk, state, head, &state->streams[h->dir & 1]);
    h->type = type;
    h->flags |= state->facts & (FLAG_SERVER | FLAG_CLIENT);
    state->facts |= FACT_TOLD;
}

static __always_inline void tell_other(struct record *h, u64 sk, struct socket_state *state, const struct sock_head *head) {
    if (!within_budget(0, OTHERS_A_SECOND))
        return;
    fill_notice(h, sk, state, head, REC_OTHER);
    emit_bare(h, 0);
}

#define HELLO_MAX 4096

/* Whether a direction of this socket has not shown its first record yet. */
static __always_inline int awaits_hello(const struct socket_state *state) {
    return (state->facts & FACT_HELLOS_OVER) != FACT_HELLOS_OVER && (state->kind == KIND_UNKNOWN || state->kind == KIND_TLS);
}

/* How much of the record to copy (RFC 8446 section 5.1), from the bytes that its first call brought. */
static __always_inline u32 hello_length(u64 base, u64 n, int *is_tls) {
    struct looks looks;
    *is_tls = n >= 5 && !read_looks(&looks, base, n) && looks_like_tls(&looks);
    if (!*is_tls || looks.b[0] != 0x16)
        return 0;
    u32 length = 5 + ((u32)looks.b[3] << 8 | looks.b[4]);
    return length < HELLO_MAX ? length : HELLO_MAX;
}

static __always_inline void take_hello(u64 sk, struct socket_state *state, const struct sock_head *head, u32 dir, u64 base, u64 n) {
    dir &= 1;
    struct stream *stream = &state->streams[dir];
    u8 began = FACT_HELLO << dir, over = FACT_HELLO_OVER << dir;
    if (!n || state->facts & over)
        return;
    if (!(state->facts & began)) {
        int is_tls;
        u32 length = hello_length(base, n, &is_tls);
        if (!is_tls && state->kind != KIND_TLS)
            return; /* a socket that a callback of the library uses */
        if (!(state->facts & FACT_TOLD) && !within_budget(1, HELLOS_A_SECOND)) {
            state->facts |= FACT_HELLOS_OVER;
            return;
        }
        state->facts |= began;
        stream->in_head = length;
    }
    if (n > stream->in_head)
        n = stream->in_head;
    stream->in_head -= n;
    if (!stream->in_head)
        state->facts |= over;
    if (!n && state->facts & FACT_TOLD)
        return;
    struct record h = {.dir = dir, .total = n};
    fill_notice(&h, sk, state, head, REC_HELLO);
    stream->pos += n;
    if (n)
        emit_data(&h, base, n);
    else
        emit_bare(&h, 0);
}

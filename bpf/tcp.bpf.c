/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * The begin and the end of TCP connections: one program at every change of their state.
 */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_CLOSE 7
#define SOCK_DEAD 0 /* bits of skc_flags (enum sock_flags): no process has it any more */
#define SOCK_DONE 1 /* the other end's FIN came */

static __always_inline void on_established(u64 sk, int before) {
    struct sock_head head;
    if (read_sock_head(&head, sk))
        return;
    struct socket_state fresh = {
        .address = HEAD_ADDRESS(&head),
        .ports = HEAD_PORTS(&head),
        .kind = first_kind(&head, sk),
        .from_start = 1,
        .facts = before == TCP_SYN_SENT ? FLAG_CLIENT : FLAG_SERVER,
        .opened = bpf_ktime_get_ns(),
    };
    keep_socket(sk, &fresh);
    const struct config *c = settings();
    struct mute_key earlier = {.id = sk};
    if (c && c->mutes)
        mutes.delete(&earlier);
}

/* RFC 4898's counters, less what the kernel counts beside data: segments sent again, and the FIN. */
static __always_inline void read_totals(struct totals *totals, u64 sk, u64 flags) {
    u32 next = 0, copied = 0;
    bpf_probe_read_kernel(&next, sizeof next, (void *)(sk + OFF_TCP_RCV_NXT));
    bpf_probe_read_kernel(&copied, sizeof copied, (void *)(sk + OFF_TCP_COPIED_SEQ));
    u64 received = read_u64(sk + OFF_TCP_BYTES_RECEIVED), fin = flags >> SOCK_DONE & 1, unread = next - copied;
    totals->sent = read_u64(sk + OFF_TCP_BYTES_SENT) - read_u64(sk + OFF_TCP_BYTES_RETRANS);
    totals->received = received - fin;
    totals->read = received - (unread > fin ? unread : fin);
}

static __always_inline void on_closed(u64 sk, const struct socket_state *state, u64 flags) {
    struct sock_head head;
    if (read_sock_head(&head, sk))
        return;
    struct late end = {};
    struct record *rec = &end.header;
    rec->type = REC_CLOSE;
    rec->ts = bpf_ktime_get_ns();
    rec->sk = sk;
    rec->opened = state->opened;
    rec->len = sizeof end.totals;
    PUT_ADDRESS(rec, &head, sk);
    read_totals(&end.totals, sk, flags);
    tell_end(&end, sizeof end, sk, 0);
}

/* inet_sock_set_state(sk, old state, new state) */
int on_tcp_state(struct bpf_raw_tracepoint_args *ctx) {
    u64 sk = ctx->args[0];
    int state = (int)ctx->args[2];
    if (state == TCP_ESTABLISHED) {
        on_established(sk, (int)ctx->args[1]);
    } else if (state == TCP_CLOSE) {
        struct socket_state *known = sockets.lookup(&sk);
        if (!known)
            return 0;
        u64 flags = read_u64(sk + OFF_SKC_FLAGS);
        int has_spoken = is_http(known->kind) || known->kind == KIND_TLS || known->kind == KIND_MUTED;
        if (known->facts & FACT_TOLD || has_spoken)
            on_closed(sk, known, flags);
        /* Whoever still has it may read what came before the end. */
        if (flags & 1 << SOCK_DEAD && !sockets.delete(&sk))
            count(COUNT_SOCKETS, -1);
    }
    return 0;
}

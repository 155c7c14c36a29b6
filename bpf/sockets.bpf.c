/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Plain sockets: one program at the end of every system call (at exit, the arguments are still in the saved registers), and one
 * at every TCP state change. Order of the tests is from cheap to dear: most calls leave after the first.
 */
enum shape { SHAPE_NONE, SHAPE_BUFFER, SHAPE_IOV, SHAPE_MESSAGE, SHAPE_MESSAGES, SHAPE_COUNT };

#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define USER_CS_64 0x33
#define EMPTY_BUFFERS 64

#define NR_SENDFILE 40
#define NR_SPLICE 275
#define OP(shape, dir) ((shape) << 1 | (dir))

static __always_inline u32 operation(u64 nr) {
    switch (nr) {
    case 0: /* read */
    case 45: /* recvfrom */
        return OP(SHAPE_BUFFER, IN);
    case 1: /* write */
    case 44: /* sendto */
        return OP(SHAPE_BUFFER, OUT);
    case 19: /* readv */
    case 327: /* preadv2 */
        return OP(SHAPE_IOV, IN);
    case 20: /* writev */
    case 328: /* pwritev2 */
        return OP(SHAPE_IOV, OUT);
    case 46: /* sendmsg */
        return OP(SHAPE_MESSAGE, OUT);
    case 47: /* recvmsg */
        return OP(SHAPE_MESSAGE, IN);
    case 299: /* recvmmsg */
        return OP(SHAPE_MESSAGES, IN);
    case 307: /* sendmmsg */
        return OP(SHAPE_MESSAGES, OUT);
    case NR_SENDFILE:
    case NR_SPLICE:
        return OP(SHAPE_COUNT, OUT);
    default:
        return 0;
    }
}

/* recv flags that do not consume, or do not copy. */
static __always_inline u64 receive_flags(const struct saved *regs) {
    return regs->nr == 45 ? regs->r10 : regs->nr == 47 ? regs->dx : 0;
}

/* Connected to port 53, or to nothing from a port that nobody chose: musl's resolver does not connect its socket. */
static __always_inline int may_ask_names(u8 protocol, u32 ports) {
    u16 remote = (u16)ports, local = ports >> 16;
    return protocol == UDP_PROTOCOL && (remote == 0x3500 || (!remote && (!local || local >= 1024)));
}

static __always_inline struct socket_state *socket_state(u64 sk, const struct sock_head *head) {
    u64 address = HEAD_ADDRESS(head);
    u32 ports = HEAD_PORTS(head);
    struct socket_state *state = sockets.lookup(&sk);
    /* A closed socket has given its port back, and may still be read from. */
    if (state && !(ports >> 16))
        ports |= state->ports & 0xffff0000;
    if (state && (state->address == address || HEAD_FAMILY(head) != AF_INET) && state->ports == ports)
        return state;
    u16 family = HEAD_FAMILY(head);
    if (family != AF_INET && family != AF_INET6)
        return 0;
    u8 protocol = 0;
    bpf_probe_read_kernel(&protocol, 1, (void *)(sk + OFF_SK_PROTOCOL));
    struct socket_state fresh = {.address = address, .ports = ports};
    fresh.kind = protocol == TCP_PROTOCOL ? first_kind(head, sk) : may_ask_names(protocol, ports) ? KIND_DATAGRAMS : KIND_OTHER;
    keep_socket(sk, &fresh);
    return sockets.lookup(&sk);
}

/* Sets up the walk over the buffers of a call of `n` bytes. Gives 0 when there is just one. */
static __always_inline int gather(struct walk *w, u32 shape, u64 n) {
    u64 argument = w->base;
    w->base = 0;
    if (shape == SHAPE_BUFFER) {
        w->base = argument;
        w->left = n;
        w->remaining = 0;
        return n > MAX_CHUNK;
    }
    w->iov = argument;
    if (shape == SHAPE_MESSAGE) {
        u64 pair[2] = {};
        bpf_probe_read_user(pair, sizeof pair, (void *)(argument + 16)); /* struct msghdr: msg_iov, msg_iovlen */
        w->iov = pair[0];
        w->iovs = pair[1];
    } else if (shape == SHAPE_MESSAGES) {
        w->iovs = 0;
        w->message = argument;
        next_buffer(w);
    }
    /* What the first bytes are decides what the connection is: pass over empty buffers. */
#pragma nounroll
    for (u32 i = 0; i < EMPTY_BUFFERS && !w->left; i++)
        if (!next_buffer(w))
            break;
    return w->left != n || n > MAX_CHUNK;
}

#define MOST_MESSAGES 1024 /* UIO_MAXIOV: the kernel passes no more at once */

/* sendmmsg and recvmmsg return how many messages they passed: add up their lengths. */
static __always_inline void add_up_messages(struct long_call *call) {
    struct record *header = &call->header;
    header->total = 0;
#pragma nounroll
    for (u32 i = 0; i < MOST_MESSAGES; i++) {
        u32 len = 0;
        if (i >= call->walk.messages)
            break;
        bpf_probe_read_user(&len, sizeof len, (void *)(call->walk.base + 64 * i + 56)); /* struct mmsghdr */
        header->total += len;
    }
}

/* Passes the bytes on, now that the first buffer is in call->walk; the record's header has dir, level and total. */
static __always_inline void pass_call(struct bpf_raw_tracepoint_args *ctx, struct long_call *call, struct socket_state *state,
                                      const struct sock_head *head, int is_long) {
    struct walk *w = &call->walk;
    struct stream *stream = &state->streams[call->header.dir & 1];
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (state->kind == KIND_UNKNOWN) {
        state->kind = wanted_kind_of(w->base, w->left, stream, state->from_start);
        if (state->kind == KIND_OTHER)
            tell_other(&call->header, call->state_key, state, head);
        if (state->kind == KIND_TLS && !call->is_uring)
            socket_tails.call(ctx, TAIL_CIPHERTEXT);
        if (!is_http(state->kind))
            return;
    }
    if (state->kind == KIND_HTTP2)
        call->header.level = LEVEL_FULL;
    fill_socket_header(&call->header, call->state_key, state, head, stream);
    stream->pos += call->header.total;
    if (is_long && can_join(call)) {
        emit_joined(&call->header, w);
        return;
    }
    int tail = emit_call(call, stream, is_long);
    if (!tail)
        return;
    keep_call(pid_tgid, call);
    socket_tails.call(ctx, tail - 1);
}

/* Bytes that cannot be read, or the end of the stream. */
static __always_inline void pass_bare(struct long_call *call, struct socket_state *state, const struct sock_head *head, u8 flag) {
    struct stream *stream = &state->streams[call->header.dir & 1];
    if (!is_http(state->kind))
        return;
    fill_socket_header(&call->header, call->state_key, state, head, stream);
    stream->pos += call->header.total;
    call->header.flags |= flag;
    emit_bare(&call->header, call->header.total);
}

/*
 * A system call inside a TLS call tells which socket that uses. Mostly it carries data, but a handle that was just made shakes
 * hands first.
 */
static __always_inline void look_for_handshake(struct bpf_raw_tracepoint_args *ctx, struct calls *calls, struct call *at,
                                               const struct saved *regs) {
    if (at->sk && !at->hello)
        return;
    u64 sk = socket_of(regs->di);
    if (at->sk && at->sk != sk)
        return;
    at->sk = sk;
    if (sk == calls->settled)
        return;
    struct socket_state *state = sk ? sockets.lookup(&sk) : 0;
    at->hello = state && awaits_hello(state);
    if (!at->hello)
        calls->settled = sk;
    else if (!(receive_flags(regs) & (MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC)))
        socket_tails.call(ctx, TAIL_CIPHERTEXT);
}

int on_sys_exit(struct bpf_raw_tracepoint_args *ctx) {
    s64 ret = ctx->args[1];
    if (ret < 0)
        return 0;
    struct saved regs;
    bpf_probe_read_kernel(&regs, sizeof regs, (void *)(ctx->args[0] + __builtin_offsetof(struct pt_regs, r10)));
    if (regs.cs != USER_CS_64)
        return 0; /* a 32-bit process numbers its calls otherwise */
    if (regs.nr == 9)
        return on_map(&regs);
    if (regs.nr == 155) /* pivot_root */
        on_new_root();
    u32 op = operation(regs.nr);
    if (!op)
        return 0;
    u64 pid_tgid = bpf_get_current_pid_tgid();
    const struct config *c = allowed(pid_tgid >> 32, 0);
    if (!c)
        return 0;
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (calls && calls->depth) {
        /* Ciphertext of a TLS call in progress: only tells which socket that call uses. A handshake is looked at below too. */
        struct call *at = &calls->level[(calls->depth - 1) & 1];
        if (regs.sp < at->stack) {
            if (at->layer != LAYER_SOCKET) {
                look_for_handshake(ctx, calls, at, &regs);
                return 0;
            }
            if (!at->sk)
                at->sk = socket_of(regs.di);
        }
    }
    u64 sk = socket_of(regs.nr == NR_SPLICE ? regs.dx : regs.di);
    if (!sk && regs.nr == NR_SPLICE) {
        sk = socket_of(regs.di);
        op = OP(SHAPE_COUNT, IN);
    }
    if (!sk) {
        if (regs.nr == 1 && c->java)
            socket_tails.call(ctx, TAIL_JSSE);
        return 0;
    }
    struct sock_head head;
    if (read_sock_head(&head, sk))
        return 0;
    struct socket_state *state = socket_state(sk, &head);
    if (state && state->kind == KIND_DATAGRAMS) {
        if ((op & 1) == IN && !(receive_flags(&regs) & (MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC)))
            socket_tails.call(ctx, TAIL_NAMES);
        return 0;
    }
    if (!state)
        return 0;
    mute_socket(c, sk, state);
    if (state->kind >= KIND_TLS && !awaits_hello(state) && !is_sought(state, pid_tgid >> 32, op & 1))
        return 0;
    u32 shape = op >> 1;
    struct long_call call = {.state_key = sk};
    call.header.dir = op & 1;
    call.header.level = level();
    call.header.total = ret;
    u64 flags = (op & 1) == IN ? receive_flags(&regs) : 0;
    if (flags & (MSG_PEEK | MSG_ERRQUEUE))
        return 0;
    if (state->kind >= KIND_TLS) {
        socket_tails.call(ctx, TAIL_CIPHERTEXT);
        return 0;
    }
    if (!ret) {
        if ((op & 1) == IN && regs.dx)
            pass_bare(&call, state, &head, FLAG_EOF);
        return 0;
    }
    if (shape == SHAPE_COUNT || (flags & MSG_TRUNC)) {
        int is_full = level() == LEVEL_FULL || state->kind == KIND_HTTP2;
        if (is_full && regs.nr == NR_SENDFILE && is_http(state->kind))
            socket_tails.call(ctx, TAIL_FILE);
        pass_bare(&call, state, &head, is_full ? FLAG_UNSEEN : FLAG_SKIPPED);
        return 0;
    }
    call.walk.base = regs.si;
    if (shape == SHAPE_BUFFER && ret <= MAX_CHUNK) {
        call.walk.left = ret;
        pass_call(ctx, &call, state, &head, 0);
        return 0;
    }
    call.walk.iovs = regs.dx;
    call.walk.remaining = ret;
    call.walk.messages = shape == SHAPE_MESSAGES ? ret : 0;
    call.walk.rest = shape;
    keep_call(pid_tgid, &call);
    socket_tails.call(ctx, TAIL_GATHER);
    return 0;
}

/* Calls with several buffers, or a large one. */
int gather_socket(struct bpf_raw_tracepoint_args *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct sock_head head;
    if (!call || read_sock_head(&head, call->state_key))
        return 0;
    struct socket_state *state = sockets.lookup(&call->state_key);
    if (!state)
        return 0;
    u32 shape = call->walk.rest;
    call->walk.rest = 0;
    if (shape == SHAPE_MESSAGES)
        add_up_messages(call);
    int is_long = gather(&call->walk, shape, call->header.total);
    pass_call(ctx, call, state, &head, is_long);
    return 0;
}

static __always_inline struct stream *long_call_stream(struct long_call *call) {
    struct socket_state *state = sockets.lookup(&call->state_key);
    return state ? &state->streams[call->header.dir & 1] : 0;
}

int walk_socket(struct bpf_raw_tracepoint_args *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_call_stream(call) : 0;
    if (!stream)
        return 0;
    if (walk_buffers(call, stream))
        socket_tails.call(ctx, TAIL_WALK);
    end_walk(call);
    return 0;
}

int head_socket(struct bpf_raw_tracepoint_args *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_call_stream(call) : 0;
    if (stream && take_head(call, stream))
        socket_tails.call(ctx, TAIL_WALK);
    return 0;
}

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

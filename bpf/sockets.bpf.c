/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Plain sockets: one program at the end of every system call (at exit, the arguments are still in the saved registers). Order of
 * the tests is from cheap to dear: most calls leave after the first.
 */
#define USER_CS_64 0x33

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

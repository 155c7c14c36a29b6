/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * OpenSSL: plaintext at the entry and return of its read and write functions. The socket comes from the system call that the
 * library makes inside, or from SSL_set_fd.
 */
static __always_inline int enter_call(struct pt_regs *ctx, u64 result) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (!allowed(pid_tgid >> 32))
        return 0;
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (!calls) {
        struct calls none = {};
        thread_calls.update(&pid_tgid, &none);
        calls = thread_calls.lookup(&pid_tgid);
        if (!calls) {
            count(COUNT_NO_SLOT, 1);
            return 0;
        }
    }
    /*
     * The stack grows down: a call that nests has a lower stack pointer, a stale one has not. On the same handle it is one
     * public function calling another, and the inner one tells it all.
     */
    u32 depth = calls->depth == 1 && ctx->sp < calls->level[0].stack && ctx->di != calls->level[0].handle;
    struct call *call = &calls->level[depth];
    call->handle = ctx->di;
    call->buf = ctx->si;
    call->num = ctx->dx;
    call->result = result;
    call->stack = ctx->sp;
    call->sk = 0;
    calls->depth = depth + 1;
    return 0;
}

/* SSL_read, SSL_write: the return value is the byte count. */
int ssl_enter(struct pt_regs *ctx) { return enter_call(ctx, 0); }
/* (s, buf, num, size_t *done) */
int ssl_enter_4(struct pt_regs *ctx) { return enter_call(ctx, ctx->cx); }
/* (s, buf, num, flags, size_t *done): ssl_write_internal from 3.3 on */
int ssl_enter_5(struct pt_regs *ctx) { return enter_call(ctx, ctx->r8); }

static __always_inline struct handle_state *handle_state(const struct handle_key *key, u64 sk) {
    struct handle_state *state = handles.lookup(key);
    if (!state) {
        struct handle_state fresh = {};
        handles.update(key, &fresh);
        state = handles.lookup(key);
    }
    struct sock_head head;
    if (!state || !sk || state->sk == sk || read_sock_head(&head, sk))
        return state;
    if (HEAD_FAMILY(&head) != AF_INET && HEAD_FAMILY(&head) != AF_INET6)
        return state; /* a callback of the library used another socket, to log for example */
    state->sk = sk;
    struct socket_state *socket = sockets.lookup(&sk);
    if (socket) {
        state->opened = socket->opened;
        socket->kind = KIND_TLS;
        return state;
    }
    struct socket_state fresh = {.address = HEAD_ADDRESS(&head), .ports = HEAD_PORTS(&head), .kind = KIND_TLS};
    sockets.update(&sk, &fresh);
    return state;
}

static __always_inline void fill_handle_header(struct record *h, u64 handle, const struct handle_state *state,
                                               struct stream *stream, u64 n) {
    struct sock_head head;
    h->ts = bpf_ktime_get_ns();
    h->sk = state->sk;
    h->handle = handle;
    h->pos = stream->pos;
    h->opened = state->opened;
    h->tgid = bpf_get_current_pid_tgid() >> 32;
    h->seq = stream->seq++;
    h->total = n;
    h->type = REC_DATA;
    h->layer = LAYER_OPENSSL;
    h->flags = state->from_start ? FLAG_FROM_START : 0;
    if (state->sk && !read_sock_head(&head, state->sk))
        put_address(h, &head, state->sk);
}

static __always_inline int leave_call(struct pt_regs *ctx, u8 dir) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (!calls || !calls->depth)
        return 0;
    u32 depth = (calls->depth - 1) & 1;
    struct call *at = &calls->level[depth];
    calls->depth = depth;
    if (depth && at->sk)
        calls->level[0].sk = at->sk; /* TLS inside TLS shares the socket */
    s32 ret = ctx->ax;
    if (ret <= 0)
        return 0;
    u64 n = ret;
    if (at->result && bpf_probe_read_user(&n, sizeof n, (void *)at->result))
        return 0;
    if (!n || n > 0x7fffffff)
        return 0;
    const struct config *c = settings();
    struct handle_key key = {.handle = at->handle, .tgid = pid_tgid >> 32};
    struct handle_state *state = handle_state(&key, at->sk);
    if (!state || !c || state->kind >= KIND_OTHER)
        return 0;
    struct stream *stream = &state->streams[dir];
    if (state->kind == KIND_UNKNOWN)
        state->kind = kind_of(at->buf, n, stream, state->from_start, 0);
    if (state->kind != KIND_HTTP)
        return 0;
    struct long_call call = {};
    call.header.dir = dir;
    call.header.level = c->level;
    fill_handle_header(&call.header, key.handle, state, stream, n);
    stream->pos += n;
    call.walk.base = at->buf;
    call.walk.left = n;
    int tail = emit_call(&call, stream, n > MAX_CHUNK);
    if (!tail)
        return 0;
    call.handle_key = key;
    keep_call(pid_tgid, &call);
    handle_tails.call(ctx, tail - 1);
    return 0;
}

int ssl_leave_read(struct pt_regs *ctx) { return leave_call(ctx, IN); }
int ssl_leave_write(struct pt_regs *ctx) { return leave_call(ctx, OUT); }

static __always_inline struct stream *long_handle_stream(struct long_call *call) {
    struct handle_state *state = handles.lookup(&call->handle_key);
    return state ? &state->streams[call->header.dir & 1] : 0;
}

int walk_handle(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_handle_stream(call) : 0;
    if (!stream)
        return 0;
    if (walk_buffers(call, stream))
        handle_tails.call(ctx, TAIL_WALK);
    end_walk(call);
    return 0;
}

int head_handle(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_handle_stream(call) : 0;
    if (stream && take_head(call, stream))
        handle_tails.call(ctx, TAIL_WALK);
    return 0;
}

/* SSL_set_fd(ssl, fd): a handle begins, and its socket is known before the first byte. */
int ssl_set_fd(struct pt_regs *ctx) {
    struct handle_key key = {.handle = ctx->di, .tgid = bpf_get_current_pid_tgid() >> 32};
    if (!allowed(key.tgid))
        return 0;
    struct handle_state fresh = {.from_start = 1};
    handles.update(&key, &fresh);
    u64 sk = socket_of(ctx->si);
    if (sk)
        handle_state(&key, sk);
    return 0;
}

/* SSL_free(ssl): the address may be another handle's soon. */
int ssl_free(struct pt_regs *ctx) {
    struct handle_key key = {.handle = ctx->di, .tgid = bpf_get_current_pid_tgid() >> 32};
    struct handle_state *state = handles.lookup(&key);
    if (!state)
        return 0;
    struct record h = {
        .type = REC_CLOSE,
        .ts = bpf_ktime_get_ns(),
        .sk = state->sk,
        .handle = key.handle,
        .opened = state->opened,
        .tgid = key.tgid,
    };
    if (state->kind == KIND_HTTP || state->kind == KIND_MUTED)
        emit_bare(&h, 0);
    handles.delete(&key);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What all TLS libraries share: a call in progress on a thread, the handle it is about, and its plaintext's way into the ring.
 * The socket comes from the system call that the library makes inside, or from what it is told of the descriptor.
 */
/* The calls in progress on this thread; 0 when there is none. */
static __always_inline struct calls *calls_in_progress(void) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    return calls && calls->depth ? calls : 0;
}

static __always_inline struct call *innermost(struct calls *calls) {
    return &calls->level[(calls->depth - 1) & 1];
}

static __always_inline struct handle_key handle_of(const struct calls *calls, const struct call *at) {
    struct handle_key key = {.handle = at->handle, .tgid = bpf_get_current_pid_tgid() >> 32, .image = calls->image};
    return key;
}

/* Ends the innermost call, and gives it. */
static __always_inline struct call *end_call(struct calls *calls) {
    struct call *at = innermost(calls);
    calls->depth = (calls->depth - 1) & 1;
    return at;
}

/* A call of `layer` about `handle` begins: its bytes are at `buf`; their count is the result, or at `result` when not 0. */
static __always_inline int enter_call(struct pt_regs *ctx, u8 layer, u64 handle, u64 buf, u64 result) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (!allowed(pid_tgid >> 32, SKIP_PLAINTEXT))
        return 0;
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (!calls) {
        struct calls none = {.image = this_image()};
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
    u32 depth = calls->depth == 1 && ctx->sp < calls->level[0].stack && handle != calls->level[0].handle;
    struct call *call = &calls->level[depth];
    call->handle = handle;
    call->buf = buf;
    call->result = result;
    call->stack = ctx->sp;
    call->sk = 0;
    call->bio = 0;
    call->layer = layer;
    call->hello = 0;
    calls->depth = depth + 1;
    return 0;
}

static __always_inline void fill_handle_header(struct record *h, u64 handle, struct handle_state *state,
                                               struct stream *stream, u64 n) {
    h->ts = bpf_ktime_get_ns();
    h->sk = state->sk;
    h->handle = handle;
    h->pos = stream->pos;
    h->opened = state->opened;
    h->tgid = bpf_get_current_pid_tgid() >> 32;
    h->seq = stream->seq++;
    h->total = n;
    h->type = REC_DATA;
    h->layer = state->layer;
    h->flags = state->from_start ? FLAG_FROM_START : 0;
    h->family = state->family;
    h->local_port = state->local_port;
    h->remote_port = state->remote_port;
    __builtin_memcpy(h->local, state->local, sizeof h->local);
    __builtin_memcpy(h->remote, state->remote, sizeof h->remote);
}

/* Sets up `call` for `n` bytes at `base` that passed through a handle in direction `dir`. Gives 0 when they are not wanted. */
static __always_inline int begin_plaintext(struct long_call *call, const struct handle_key *key, struct handle_state *state,
                                           u8 layer, u8 dir, u64 base, u64 n) {
    const struct config *c = settings();
    if (!c || state->kind >= KIND_OTHER)
        return 0;
    if (is_muted(c, key->handle, key->tgid, state->made)) {
        state->kind = KIND_MUTED;
        return 0;
    }
    struct stream *stream = &state->streams[dir];
    state->layer = layer;
    call->header.dir = dir;
    if (state->kind == KIND_UNKNOWN) {
        state->kind = kind_of(base, n, stream, state->from_start, 0);
        if (state->kind == KIND_OTHER && state->sk && within_budget(0, OTHERS_A_SECOND)) {
            fill_handle_header(&call->header, key->handle, state, stream, n);
            call->header.type = REC_OTHER;
            emit_bare(&call->header, 0);
        }
    }
    if (!is_http(state->kind))
        return 0;
    call->header.level = state->kind == KIND_HTTP2 ? LEVEL_FULL : level();
    fill_handle_header(&call->header, key->handle, state, stream, n);
    stream->pos += n;
    call->walk.base = base;
    call->walk.left = n;
    return 1;
}

/* Plaintext of a handle: `n` bytes at `base` that passed in direction `dir`, on the socket `sk` (0: not known from this call). */
static __always_inline int pass_plaintext(struct pt_regs *ctx, const struct handle_key *key, u64 sk, u8 layer, u8 dir, u64 base,
                                          u64 n) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct handle_state *state = handle_state(key, sk);
    struct long_call call = {};
    if (!state || !begin_plaintext(&call, key, state, layer, dir, base, n))
        return 0;
    int tail = emit_call(&call, &state->streams[dir], n > MAX_CHUNK);
    if (!tail)
        return 0;
    call.handle_key = *key;
    keep_call(pid_tgid, &call);
    handle_tails.call(ctx, tail - 1);
    return 0;
}

/* Plaintext that a call sent from `count` buffers at `slices` (struct iovec), `n` bytes of them. */
static __always_inline int pass_slices(struct pt_regs *ctx, const struct handle_key *key, u8 layer, u64 slices, u64 count, u64 n) {
    struct handle_state *state = handle_state(key, 0);
    struct long_call call = {.walk = {.iov = slices, .iovs = count, .remaining = n}};
    struct walk *w = &call.walk;
    for (u32 i = 0; i < 4 && !w->left; i++)
        if (!next_buffer(w))
            return 0;
    u64 first = w->left;
    if (!state || !begin_plaintext(&call, key, state, layer, OUT, w->base, n))
        return 0;
    w->left = first;
    if (first == n)
        w->iovs = 0;
    else if (can_join(&call)) {
        emit_joined(&call.header, w);
        return 0;
    }
    int tail = emit_call(&call, &state->streams[OUT], first != n || n > MAX_CHUNK);
    if (!tail)
        return 0;
    call.handle_key = *key;
    keep_call(bpf_get_current_pid_tgid(), &call);
    handle_tails.call(ctx, tail - 1);
    return 0;
}

/* The innermost call of this thread ends with the result `ret`. */
static __always_inline int leave_call(struct pt_regs *ctx, s64 ret, u8 dir) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = end_call(calls);
    struct handle_key key = handle_of(calls, at);
    if (calls->depth && at->sk)
        calls->level[0].sk = at->sk; /* TLS inside TLS shares the socket */
    if (ret <= 0)
        return 0;
    u64 n = ret;
    if (at->result && bpf_probe_read_user(&n, sizeof n, (void *)at->result))
        return 0;
    if (!n || n > 0x7fffffff)
        return 0;
    return pass_plaintext(ctx, &key, at->sk, at->layer, dir, at->buf, n);
}

/* `n` bytes of a handle's plaintext passed, and are not seen. */
static __always_inline void tell_unseen(const struct handle_key *key, u64 sk, u8 dir, u64 n) {
    struct handle_state *state = handle_state(key, sk);
    if (!state || !is_http(state->kind))
        return;
    struct stream *stream = &state->streams[dir];
    struct record h = {.dir = dir};
    fill_handle_header(&h, key->handle, state, stream, n);
    h.flags |= FLAG_UNSEEN;
    stream->pos += n;
    emit_bare(&h, n);
}

/* The innermost call of this thread ends, and `n` bytes went out that no buffer held. */
static __always_inline int leave_unseen(s64 n) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = end_call(calls);
    struct handle_key key = handle_of(calls, at);
    if (n > 0)
        tell_unseen(&key, at->sk, OUT, n);
    return 0;
}

/* A handshake or a look ahead begins: it passes no plaintext, but it tells the socket. */
static __always_inline int enter_silent(struct pt_regs *ctx, u64 handle) {
    struct calls *calls = calls_in_progress();
    if (calls && ctx->sp < innermost(calls)->stack)
        return 0; /* part of a call that does */
    return enter_call(ctx, LAYER_SOCKET, handle, 0, 0);
}

static __always_inline int leave_silent(struct pt_regs *ctx) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = innermost(calls);
    if (at->layer != LAYER_SOCKET || at->stack + 8 != ctx->sp)
        return 0;
    end_call(calls);
    struct handle_key key = handle_of(calls, at);
    if (at->sk)
        handle_state(&key, at->sk);
    return 0;
}

/* The end of a function that may have been entered either way. */
static __always_inline int leave_if_told(struct pt_regs *ctx, s64 ret, u8 dir) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    return innermost(calls)->layer == LAYER_SOCKET ? leave_silent(ctx) : leave_call(ctx, ret, dir);
}

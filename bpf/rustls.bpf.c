/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * rustls: plaintext where a connection's Writer takes it and its Reader gives it. read_tls and write_tls, the public ways to the
 * socket, are mostly inlined; what they call is not, but shows three parts of a connection, each by its own address:
 *
 *   common     CommonState, of which plaintext is sent; it is the handle
 *   received   its received_plaintext, which read_tls looks at first, and from which a Reader reads
 *   sendable   its sendable_tls, which write_tls writes to the socket
 *
 * How far they are apart the compiler decides. It is learned where a thread shows that they are one connection: it read from a
 * socket (received), processed what came (common), and wrote to the same socket (sendable). Where a program has two versions, each
 * with places of its own, they are believed only of a common that was seen as such. Probes sit on the register arguments of Rust's
 * own ABI, which are those of C for pointers and lengths; a Result<usize, io::Error> comes back as its tag in rax, 0 for Ok, and
 * its value in rdx.
 */
#define RUSTLS_EXTENT 4096 /* more than a connection takes */

/* What a thread did last. */
struct rustls_thread {
    u64 received; /* of the read_tls that began last */
    u64 common;   /* seen since */
    u64 sk;       /* from which that read_tls read */
    u64 result;   /* where into_first_chunk will tell of a chunk, and in which received it is */
    u64 reader;
};
BPF_TABLE("lru_hash", u64, struct rustls_thread, rustls_threads, 8192);

/* Where received and sendable lie, from common; 0: not known. A program may hold two versions of rustls. */
#define RUSTLS_VERSIONS 2
struct rustls_places {
    s64 received[RUSTLS_VERSIONS];
    s64 sendable[RUSTLS_VERSIONS];
};
BPF_TABLE("lru_hash", u32, struct rustls_places, rustls_places, 4096);

/* By received: what its Reader showed and was not yet consumed. */
struct rustls_chunk {
    u64 base;
    u64 len;
};
BPF_TABLE("lru_hash", struct handle_key, struct rustls_chunk, rustls_chunks, 8192);

static __always_inline struct rustls_thread *rustls_thread(void) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (!allowed(pid_tgid >> 32, SKIP_PLAINTEXT))
        return 0;
    struct rustls_thread *thread = rustls_threads.lookup(&pid_tgid);
    if (thread)
        return thread;
    struct rustls_thread fresh = {};
    rustls_threads.update(&pid_tgid, &fresh);
    return rustls_threads.lookup(&pid_tgid);
}

static __always_inline struct rustls_places *rustls_known_places(void) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    return rustls_places.lookup(&tgid);
}

/* Keeps a place; of a third version, or of the program that this process executed before, the older one goes. */
static __always_inline void rustls_keep(s64 *places, s64 place) {
    if (!place || place >= RUSTLS_EXTENT || place <= -RUSTLS_EXTENT || places[0] == place || places[1] == place)
        return;
    places[1] = places[0];
    places[0] = place;
}

static __always_inline void rustls_learn(u64 common, u64 received, u64 sendable) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    struct rustls_places *places = rustls_places.lookup(&tgid);
    if (!places) {
        struct rustls_places none = {};
        rustls_places.update(&tgid, &none);
        places = rustls_places.lookup(&tgid);
        if (!places)
            return;
    }
    if (received)
        rustls_keep(places->received, received - common);
    if (sendable)
        rustls_keep(places->sendable, sendable - common);
}

/*
 * The connection of which the part at `address` is one at `places`, into `key`. One that is moved, as after a handshake, is not
 * known at its new address: there is no doubt about it as long as the program has one version of rustls.
 */
static __always_inline int rustls_find(struct handle_key *key, const s64 *places, u64 address) {
    key->tgid = bpf_get_current_pid_tgid() >> 32;
    for (u32 i = 0; i < RUSTLS_VERSIONS; i++) {
        key->handle = address - places[i];
        if (places[i] && handles.lookup(key))
            return 1;
    }
    key->handle = address - places[0];
    return places[0] && !places[1];
}

static __always_inline int rustls_find_received(struct handle_key *key, u64 received) {
    struct rustls_places *places = rustls_known_places();
    return places && rustls_find(key, places->received, received);
}

/* Ciphertext of this handle passed through `sk`. Where another connection had the same address, that one is over. */
static __always_inline void rustls_bind(const struct handle_key *key, u64 sk) {
    struct handle_state *state = handles.lookup(key);
    struct socket_state *socket = sockets.lookup(&sk);
    if (state && (state->sk == sk && (!socket || socket->opened == state->opened)))
        return;
    if (state && state->sk && socket) {
        struct handle_state fresh = {.from_start = socket->from_start};
        end_handle(key->handle);
        handles.update((struct handle_key *)key, &fresh);
    }
    associate(key, sk);
}

/* The innermost call of this thread, when it is the one that returns now. */
static __always_inline struct call *rustls_returns(struct pt_regs *ctx, u32 layer) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (!calls || !calls->depth)
        return 0;
    struct call *at = &calls->level[(calls->depth - 1) & 1];
    return at->layer == layer && at->stack + 8 == ctx->sp ? at : 0;
}

/* Ends that call and gives its socket. */
static __always_inline u64 rustls_leave_silent(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct call *at = rustls_returns(ctx, LAYER_SOCKET);
    struct calls *calls = at ? thread_calls.lookup(&pid_tgid) : 0;
    if (!calls)
        return 0;
    calls->depth = (calls->depth - 1) & 1;
    return at->sk;
}

/* ChunkVecBuffer::is_full(received), with which read_tls begins */
int rustls_begin_read(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    if (!thread)
        return 0;
    thread->received = ctx->di;
    thread->common = 0;
    thread->sk = 0;
    return 0;
}

/* DeframerVecBuffer::read, MessageDeframer::read: a read from the socket inside read_tls */
int rustls_enter_receive(struct pt_regs *ctx) { return enter_silent(ctx, ctx->di); }
int rustls_leave_receive(struct pt_regs *ctx) {
    struct handle_key key = {};
    u64 sk = rustls_leave_silent(ctx);
    struct rustls_thread *thread = sk ? rustls_thread() : 0;
    if (!thread || !thread->received)
        return 0;
    thread->sk = sk;
    if (rustls_find_received(&key, thread->received))
        rustls_bind(&key, sk);
    return 0;
}

/* ChunkVecBuffer::write_to(sendable, writer): all of write_tls */
int rustls_enter_send(struct pt_regs *ctx) { return enter_silent(ctx, ctx->di); }
int rustls_leave_send(struct pt_regs *ctx) {
    struct handle_key key = {};
    struct call *at = rustls_returns(ctx, LAYER_SOCKET);
    u64 sendable = at ? at->handle : 0;
    u64 sk = rustls_leave_silent(ctx);
    struct rustls_thread *thread = sk ? rustls_thread() : 0;
    if (!thread)
        return 0;
    if (thread->common && thread->received && thread->sk == sk)
        rustls_learn(thread->common, thread->received, sendable);
    struct rustls_places *places = rustls_known_places();
    if (places && rustls_find(&key, places->sendable, sendable))
        rustls_bind(&key, sk);
    return 0;
}

static __always_inline struct rustls_thread *rustls_see_common(u64 common) {
    struct rustls_thread *thread = rustls_thread();
    struct handle_key key = {.handle = common, .tgid = bpf_get_current_pid_tgid() >> 32};
    if (!thread)
        return 0;
    thread->common = common;
    struct handle_state *state = handle_state(&key, 0);
    u64 sk = state ? state->sk : 0;
    struct socket_state *socket = sk ? sockets.lookup(&sk) : 0;
    if (sk && state && (!socket || socket->opened != state->opened)) {
        end_handle(common); /* another connection, made elsewhere, was moved to this address */
        handle_state(&key, 0);
    }
    return thread;
}

/* CommonState::send_msg, buffer_plaintext, send_some_plaintext: the latter two tell whose write this is */
int rustls_common(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (!rustls_see_common(ctx->di))
        return 0;
    struct calls *calls = thread_calls.lookup(&pid_tgid);
    if (!calls || !calls->depth)
        return 0;
    struct call *at = &calls->level[(calls->depth - 1) & 1];
    if (at->layer == LAYER_RUSTLS && !at->handle && ctx->sp <= at->stack)
        at->handle = ctx->di;
    return 0;
}

/* CommonState::take_received_plaintext: of what read_tls of this connection has just read */
int rustls_decrypted(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_see_common(ctx->di);
    if (!thread || !thread->received)
        return 0;
    struct handle_key key = {.handle = ctx->di, .tgid = bpf_get_current_pid_tgid() >> 32};
    rustls_learn(ctx->di, thread->received, 0);
    if (thread->sk)
        rustls_bind(&key, thread->sk);
    return 0;
}

/* drop_in_place(connection), whose first member common is: otherwise nothing is known at this address */
int rustls_drop(struct pt_regs *ctx) { return rustls_thread() ? end_handle(ctx->di) : 0; }

/* PlaintextSink::write(connection, buffer, length) */
int rustls_enter_write(struct pt_regs *ctx) { return enter_call(ctx, LAYER_RUSTLS, 0, ctx->si, 0); }
int rustls_leave_write(struct pt_regs *ctx) {
    struct call *at = rustls_returns(ctx, LAYER_RUSTLS);
    return at ? leave_call(ctx, at->handle && !ctx->ax ? ctx->dx : 0, OUT) : 0;
}

/* PlaintextSink::write_vectored(connection, slices, count); an IoSlice is a struct iovec */
int rustls_enter_vectored(struct pt_regs *ctx) { return enter_call(ctx, LAYER_RUSTLS, 0, ctx->si, ctx->dx); }
int rustls_leave_vectored(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid(), n = ctx->dx;
    struct call *at = rustls_returns(ctx, LAYER_RUSTLS);
    if (!at)
        return 0;
    struct handle_key key = {.handle = at->handle, .tgid = pid_tgid >> 32};
    u64 slices = at->buf, count = at->result;
    leave_call(ctx, 0, OUT);
    if (!key.handle || ctx->ax || !n || n > 0x7fffffff)
        return 0;
    return pass_slices(ctx, &key, LAYER_RUSTLS, slices, count, n);
}

/* Reader::read(reader, buffer, length); a Reader begins with a pointer to received */
int rustls_enter_read(struct pt_regs *ctx) {
    struct handle_key key = {};
    u64 received = 0;
    if (bpf_probe_read_user(&received, 8, (void *)ctx->di) || !rustls_find_received(&key, received))
        return 0;
    return enter_call(ctx, LAYER_RUSTLS, key.handle, ctx->si, 0);
}
int rustls_leave_read(struct pt_regs *ctx) {
    return rustls_returns(ctx, LAYER_RUSTLS) ? leave_call(ctx, !ctx->ax ? ctx->dx : 0, IN) : 0;
}

/* Reader::into_first_chunk(result, reader), whose result is a slice: its address (0 for an error) and its length */
int rustls_enter_chunk(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    if (!thread)
        return 0;
    thread->result = ctx->di;
    if (bpf_probe_read_user(&thread->reader, 8, (void *)ctx->si))
        thread->reader = 0;
    return 0;
}
int rustls_leave_chunk(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    struct rustls_chunk chunk = {};
    if (!thread || !thread->reader || thread->result != ctx->ax)
        return 0;
    struct handle_key key = {.handle = thread->reader, .tgid = bpf_get_current_pid_tgid() >> 32};
    thread->reader = 0;
    if (!bpf_probe_read_user(&chunk, sizeof chunk, (void *)ctx->ax) && chunk.base && chunk.len)
        rustls_chunks.update(&key, &chunk);
    return 0;
}

/* ChunkVecBuffer::consume_first_chunk(received, length): the program has taken so much of what it was shown */
int rustls_consume(struct pt_regs *ctx) {
    struct handle_key key = {}, shown = {.handle = ctx->di, .tgid = bpf_get_current_pid_tgid() >> 32};
    struct rustls_chunk *chunk = rustls_chunks.lookup(&shown);
    u64 n = ctx->si;
    if (!chunk || !n || n > chunk->len || n > 0x7fffffff || !rustls_find_received(&key, ctx->di))
        return 0;
    u64 base = chunk->base;
    chunk->base += n;
    chunk->len -= n;
    return pass_plaintext(ctx, &key, 0, LAYER_RUSTLS, IN, base, n);
}

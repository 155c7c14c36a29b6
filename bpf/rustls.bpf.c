/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * rustls: plaintext where a connection's Writer takes it and its Reader gives it. read_tls and write_tls, the public ways to the
 * socket, are mostly inlined; what they call is not. Probes sit on the register arguments of Rust's own ABI, which are those of C
 * for pointers and lengths; a Result<usize, io::Error> comes back as its tag in rax, 0 for Ok, and its value in rdx, and a larger
 * result takes the first argument's place.
 */

/* The innermost call of this thread, when it is the one that returns now. */
static __always_inline struct call *rustls_returns(struct pt_regs *ctx, u32 layer) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = innermost(calls);
    return at->layer == layer && at->stack + 8 == ctx->sp ? at : 0;
}

/* Ends that call and gives its socket. */
static __always_inline u64 rustls_leave_silent(struct pt_regs *ctx) {
    struct call *at = rustls_returns(ctx, LAYER_SOCKET);
    struct calls *calls = at ? calls_in_progress() : 0;
    return calls ? end_call(calls)->sk : 0;
}

/* ChunkVecBuffer::is_full(received), with which read_tls begins */
int rustls_begin_read(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    if (!thread)
        return 0;
    thread->received = ctx->di;
    thread->sk = 0;
    thread->decrypter = 0;
    return 0;
}

/* DeframerVecBuffer::read, MessageDeframer::read: a read from the socket inside read_tls */
int rustls_enter_receive(struct pt_regs *ctx) { return enter_silent(ctx, ctx->di); }
int rustls_leave_receive(struct pt_regs *ctx) {
    u64 sk = rustls_leave_silent(ctx);
    struct rustls_thread *thread = sk ? rustls_thread() : 0;
    if (!thread)
        return 0;
    struct socket_state *socket = sockets.lookup(&sk);
    thread->sk = sk;
    thread->opened = socket ? socket->opened : 0;
    return 0;
}

/* MessageDecrypter::decrypt(result, decrypter, message, number) */
int rustls_decrypt(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    if (!thread)
        return 0;
    thread->decrypter = ctx->si;
    rustls_use(ctx->si, ctx->cx);
    return 0;
}

/* What has just been decrypted is of this CommonState, which it may be seen by, and so is what read_tls has just read. */
static __always_inline int rustls_receives(u64 common) {
    struct rustls_thread *thread = rustls_thread();
    struct rustls_layout *layout = thread && thread->decrypter && thread->sk ? rustls_layout() : 0;
    if (!layout || thread->received < common || thread->received - common >= RUSTLS_STATE)
        return 0;
    int version = rustls_version(layout, common, thread->decrypter, RUSTLS_DECRYPTER);
    if (version < 0)
        return 0;
    u32 known = layout->at[version & 1][RUSTLS_RECEIVED];
    rustls_learn(layout, version, RUSTLS_RECEIVED, common, thread->received);
    struct rustls_cipher *cipher = rustls_cipher(thread->decrypter);
    if (!cipher || (known && known != layout->at[version & 1][RUSTLS_RECEIVED]))
        return 0; /* another connection's was read last: its neighbour's, which one this is the next call tells */
    cipher->sk = thread->sk;
    cipher->opened = thread->opened;
    rustls_bind(cipher->connection, thread->sk);
    return 0;
}

/* CommonState::take_received_plaintext(common, bytes) */
int rustls_decrypted(struct pt_regs *ctx) { return rustls_receives(ctx->di); }
/* CommonState::process_main_protocol(result, common, message, ...), where the former is inlined */
int rustls_processed(struct pt_regs *ctx) { return rustls_receives(ctx->si); }

/* CommonState::send_msg, buffer_plaintext, send_some_plaintext: inside these the encrypter works */
int rustls_common(struct pt_regs *ctx) {
    struct rustls_thread *thread = rustls_thread();
    if (thread)
        thread->common = ctx->di;
    return 0;
}

/* MessageEncrypter::encrypt(result, encrypter, message, number): tells whose write this is that goes on */
int rustls_encrypt(struct pt_regs *ctx) {
    u64 address = ctx->si;
    struct rustls_thread *thread = rustls_thread();
    struct rustls_layout *layout = thread ? rustls_layout() : 0;
    struct rustls_cipher *cipher = layout ? rustls_use(address, ctx->cx) : 0;
    if (!cipher)
        return 0;
    int version = thread->common ? rustls_version(layout, thread->common, address, RUSTLS_ENCRYPTER) : -1;
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = innermost(calls);
    if (at->layer != LAYER_RUSTLS || at->handle || ctx->sp > at->stack)
        return 0;
    u64 connection = cipher->connection;
    u8 from_start = cipher->from_start;
    if (!connection) {
        u64 other = version < 0 ? 0 : rustls_word(thread->common, layout->at[version & 1][RUSTLS_DECRYPTER]);
        /* Of a new connection the decrypter may be unused yet, and have the address of one that is gone. */
        struct rustls_cipher *decrypter = from_start ? 0 : rustls_cipher(other);
        connection = decrypter ? decrypter->connection : 0;
        if (!connection)
            connection = rustls_begin(from_start);
        rustls_join(address, connection, from_start);
        rustls_join(other, connection, from_start);
    }
    at->handle = connection;
    return 0;
}

/* ChunkVecBuffer::write_to(sendable, writer): all of write_tls */
int rustls_enter_send(struct pt_regs *ctx) { return enter_silent(ctx, ctx->di); }
int rustls_leave_send(struct pt_regs *ctx) {
    struct call *at = rustls_returns(ctx, LAYER_SOCKET);
    u64 sendable = at ? at->handle : 0;
    u64 sk = rustls_leave_silent(ctx);
    struct rustls_thread *thread = sk ? rustls_thread() : 0;
    struct rustls_layout *layout = thread ? rustls_layout() : 0;
    if (!layout)
        return 0;
    u64 connection = rustls_sending(layout, sendable);
    if (!connection && thread->common) {
        for (u32 i = 0; i < RUSTLS_VERSIONS; i++)
            if (rustls_cipher(rustls_word(thread->common, layout->at[i][RUSTLS_ENCRYPTER])))
                rustls_learn(layout, i, RUSTLS_SENDABLE, thread->common, sendable);
        connection = rustls_sending(layout, sendable);
    }
    rustls_bind(connection, sk);
    return 0;
}

/* drop_in_place(common) */
int rustls_drop(struct pt_regs *ctx) {
    struct rustls_layout *layout = rustls_thread() ? rustls_layout() : 0;
    if (!layout)
        return 0;
    for (u32 i = 0; i < RUSTLS_VERSIONS; i++) {
        struct handle_key keys[2] = {this_handle(rustls_word(ctx->di, layout->at[i][RUSTLS_ENCRYPTER])),
                                     this_handle(rustls_word(ctx->di, layout->at[i][RUSTLS_DECRYPTER]))};
        struct rustls_cipher *encrypter = rustls_cipher(keys[0].handle), *decrypter = rustls_cipher(keys[1].handle);
        struct handle_key connection = keys[0];
        connection.handle = encrypter ? encrypter->connection : decrypter ? decrypter->connection : 0;
        if (connection.handle)
            end_handle(&connection);
        rustls_ciphers.delete(&keys[0]);
        rustls_ciphers.delete(&keys[1]);
    }
    return 0;
}

/* The return of a call that gives Result<usize>: how much was passed. */
static __always_inline int rustls_leaves(struct pt_regs *ctx, u32 direction) {
    struct call *at = rustls_returns(ctx, LAYER_RUSTLS);
    u64 n = ctx->ax ? 0 : ctx->dx;
    if (at && !at->handle && n) {
        count(COUNT_UNTIED, 1);
        n = 0;
    }
    return at ? leave_call(ctx, n, direction) : 0;
}

/* PlaintextSink::write(connection, buffer, length) */
int rustls_enter_write(struct pt_regs *ctx) { return enter_call(ctx, LAYER_RUSTLS, 0, ctx->si, 0); }
int rustls_leave_write(struct pt_regs *ctx) { return rustls_leaves(ctx, OUT); }

/* PlaintextSink::write_vectored(connection, slices, count); an IoSlice is a struct iovec */
int rustls_enter_vectored(struct pt_regs *ctx) { return enter_call(ctx, LAYER_RUSTLS, 0, ctx->si, ctx->dx); }
int rustls_leave_vectored(struct pt_regs *ctx) {
    u64 n = ctx->dx;
    struct call *at = rustls_returns(ctx, LAYER_RUSTLS);
    if (!at)
        return 0;
    struct handle_key key = this_handle(at->handle);
    u64 slices = at->buf, slice_count = at->result;
    leave_call(ctx, 0, OUT);
    if (ctx->ax || !n || n > 0x7fffffff)
        return 0;
    if (key.handle)
        return pass_slices(ctx, &key, LAYER_RUSTLS, slices, slice_count, n);
    count(COUNT_UNTIED, 1);
    return 0;
}

/* Reader::read(reader, buffer, length); a Reader begins with a pointer to received */
int rustls_enter_read(struct pt_regs *ctx) {
    u64 received = 0;
    if (!rustls_thread() || bpf_probe_read_user(&received, 8, (void *)ctx->di))
        return 0;
    return enter_call(ctx, LAYER_RUSTLS, rustls_reading(received), ctx->si, 0);
}
int rustls_leave_read(struct pt_regs *ctx) { return rustls_leaves(ctx, IN); }

/* By received: what its Reader showed and was not yet consumed. */
struct rustls_chunk {
    u64 base;
    u64 len;
};
BPF_TABLE("lru_hash", struct handle_key, struct rustls_chunk, rustls_chunks, 8192);

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
    struct handle_key key = this_handle(thread->reader);
    thread->reader = 0;
    if (!bpf_probe_read_user(&chunk, sizeof chunk, (void *)ctx->ax) && chunk.base && chunk.len)
        rustls_chunks.update(&key, &chunk);
    return 0;
}

/* ChunkVecBuffer::consume_first_chunk(received, length): the program has taken so much of what it was shown */
int rustls_consume(struct pt_regs *ctx) {
    u64 n = ctx->si;
    if (!n || n > 0x7fffffff || !rustls_thread())
        return 0;
    struct handle_key key = this_handle(rustls_reading(ctx->di)), shown = key;
    shown.handle = ctx->di;
    if (!key.handle) {
        count(COUNT_UNTIED, 1);
        return 0;
    }
    struct rustls_chunk *chunk = rustls_chunks.lookup(&shown);
    if (!chunk || n > chunk->len) {
        tell_unseen(&key, 0, IN, n);
        return 0;
    }
    u64 base = chunk->base;
    chunk->base += n;
    chunk->len -= n;
    return pass_plaintext(ctx, &key, 0, LAYER_RUSTLS, IN, base, n);
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * OpenSSL: plaintext at the entry and return of its read and write functions.
 */

/* SSL_read, SSL_write: the return value is the byte count. */
int ssl_enter(struct pt_regs *ctx) { return enter_call(ctx, LAYER_OPENSSL, ctx->di, ctx->si, 0); }
/* (s, buf, num, size_t *done) */
int ssl_enter_4(struct pt_regs *ctx) { return enter_call(ctx, LAYER_OPENSSL, ctx->di, ctx->si, ctx->cx); }
/* (s, buf, num, flags, size_t *done): ssl_write_internal from 3.3 on */
int ssl_enter_5(struct pt_regs *ctx) { return enter_call(ctx, LAYER_OPENSSL, ctx->di, ctx->si, ctx->r8); }

int ssl_leave_read(struct pt_regs *ctx) { return leave_call(ctx, (s32)ctx->ax, IN); }
int ssl_leave_write(struct pt_regs *ctx) { return leave_call(ctx, (s32)ctx->ax, OUT); }

/* SSL_sendfile(ssl, fd, offset, size, flags), which the kernel encrypts */
int ssl_enter_file(struct pt_regs *ctx) { return enter_call(ctx, LAYER_OPENSSL, ctx->di, 0, 0); }
int ssl_leave_file(struct pt_regs *ctx) { return leave_unseen((s64)ctx->ax); }

/* SSL_do_handshake(ssl), SSL_peek(ssl, ...) */
int ssl_enter_silent(struct pt_regs *ctx) { return enter_silent(ctx, ctx->di); }
int ssl_leave_silent(struct pt_regs *ctx) { return leave_silent(ctx); }

/* SSL_set_bio(ssl, rbio, wbio), SSL_set0_rbio(ssl, rbio): on memory or a custom BIO, or in the middle of a connection */
int ssl_set_bio(struct pt_regs *ctx) {
    struct handle_key key = this_handle(ctx->di);
    if (!allowed(key.tgid, SKIP_PLAINTEXT))
        return 0;
    struct handle_state *state = handles.lookup(&key);
    if (!state)
        new_handle(&key, 1);
    else if (state->streams[IN].pos || state->streams[OUT].pos)
        leave_socket(state); /* else SSL_set_fd just told the descriptor of these very BIOs */
    return 0;
}

/* SSL_set_fd(ssl, fd): the socket is known before the first byte */
int ssl_set_fd(struct pt_regs *ctx) {
    struct handle_key key = this_handle(ctx->di);
    if (!allowed(key.tgid, SKIP_PLAINTEXT))
        return 0;
    begin_handle(&key, 1);
    u64 sk = socket_of(ctx->si);
    if (sk)
        handle_state(&key, sk);
    return 0;
}

/* SSL_clear(ssl), which each first handshake begins with, too: what passed through the handle before was another connection's. */
int ssl_clear(struct pt_regs *ctx) {
    struct handle_key key = this_handle(ctx->di);
    struct handle_state *state = handles.lookup(&key);
    if (state && (!state->from_start || state->kind != KIND_UNKNOWN))
        begin_handle(&key, 1);
    return 0;
}

/* SSL_new returns a handle: told where SSL_free and what prepares a handle have no names. */
int new_ssl(struct pt_regs *ctx) {
    struct handle_key key = this_handle(ctx->ax);
    if (key.handle && allowed(key.tgid, SKIP_PLAINTEXT))
        begin_handle(&key, 1);
    return 0;
}

/* SSL_free(ssl) */
int ssl_free(struct pt_regs *ctx) {
    struct handle_key key = this_handle(ctx->di);
    return end_handle(&key);
}

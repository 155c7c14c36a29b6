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

/* SSL_set_bio(ssl, rbio, wbio), SSL_set0_rbio(ssl, rbio) */
int ssl_set_bio(struct pt_regs *ctx) { return begin_detached(ctx->di); }
/* SSL_set_fd(ssl, fd) */
int ssl_set_fd(struct pt_regs *ctx) { return begin_handle(ctx->di, ctx->si); }
/* SSL_free(ssl) */
int ssl_free(struct pt_regs *ctx) { return end_handle(ctx->di); }

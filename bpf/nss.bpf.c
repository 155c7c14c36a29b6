/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * NSS: plaintext at the entry and return of what its TLS sockets do to receive and send. A handle is a struct sslSocketStr.
 */
#define PR_MSG_PEEK 2

/* ssl_SecureRecv(ss, buf, len, flags) */
int nss_enter_recv(struct pt_regs *ctx) {
    if (ctx->cx & PR_MSG_PEEK)
        return enter_silent(ctx, ctx->di);
    return enter_call(ctx, LAYER_NSS, ctx->di, ctx->si, 0);
}

/* ssl_SecureSend(ss, buf, len, flags) */
int nss_enter_send(struct pt_regs *ctx) { return enter_call(ctx, LAYER_NSS, ctx->di, ctx->si, 0); }

int nss_leave_recv(struct pt_regs *ctx) { return leave_if_told(ctx, (s32)ctx->ax, IN); }
int nss_leave_send(struct pt_regs *ctx) { return leave_if_told(ctx, (s32)ctx->ax, OUT); }

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * GnuTLS: plaintext at the entry and return of its record functions. A send without a buffer goes on with one that was refused
 * before; its bytes are not told again and count as unseen.
 */
#define APPLICATION_DATA 0x17

/* (session, data, size): gnutls_record_send2, gnutls_record_recv, gnutls_record_recv_seq */
int gnutls_enter(struct pt_regs *ctx) { return enter_call(ctx, LAYER_GNUTLS, ctx->di, ctx->si, 0); }

/* _gnutls_recv_int(session, type, data, size, seq, ms), which also reads alerts */
int gnutls_enter_recv_int(struct pt_regs *ctx) {
    if ((u32)ctx->si != APPLICATION_DATA)
        return enter_silent(ctx, ctx->di);
    return enter_call(ctx, LAYER_GNUTLS, ctx->di, ctx->dx, 0);
}

int gnutls_leave_recv(struct pt_regs *ctx) { return leave_if_told(ctx, ctx->ax, IN); }
int gnutls_leave_send(struct pt_regs *ctx) { return leave_if_told(ctx, ctx->ax, OUT); }

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * OpenSSL's BIOs that are no sockets: ciphertext that a call about a handle takes from memory, or puts there.
 */

/* The call in progress on this thread, when it is about a handle whose socket is not known; its key in `key`. */
static __always_inline struct call *seeking_call(struct pt_regs *ctx, struct handle_key *key) {
    struct calls *calls = calls_in_progress();
    if (!calls)
        return 0;
    struct call *at = innermost(calls);
    if (ctx->sp >= at->stack)
        return 0;
    *key = handle_of(calls, at);
    struct handle_state *state = handles.lookup(key);
    if (state && (state->sk || state->kind >= KIND_OTHER))
        return 0;
    seek(key->tgid);
    return at;
}

/* (BIO *, const char *data, int n) */
int bio_enter_write(struct pt_regs *ctx) {
    struct handle_key key;
    s32 n = ctx->dx;
    if (n > 0 && seeking_call(ctx, &key))
        handle_passed(&key, OUT, ctx->si, n);
    return 0;
}

/* (BIO *, char *data, int size) */
int bio_enter_read(struct pt_regs *ctx) {
    struct handle_key key;
    struct call *at = seeking_call(ctx, &key);
    if (at)
        at->bio = ctx->si;
    return 0;
}

int bio_leave_read(struct pt_regs *ctx) {
    struct handle_key key;
    s32 n = ctx->ax;
    struct call *at = seeking_call(ctx, &key);
    if (!at || !at->bio)
        return 0;
    u64 base = at->bio;
    at->bio = 0;
    if (n > 0)
        handle_passed(&key, IN, base, n);
    return 0;
}

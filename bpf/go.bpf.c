/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Go's crypto/tls: plaintext where a record is written, and where a read ends.
 *
 * No return probes: Go moves stacks, and a return address that is not its own ends the program. Every probe sits behind the check
 * for room on the stack, or on the jump that ends it, where a call that must first grow its stack passes twice.
 *
 * Plaintext stays where it is for the time of a probe: what is passed through an interface (io.Reader, io.Writer) is on the heap,
 * and a buffer that is on the stack all the same moves together with the frame that its address is read from.
 */
#define GO_CARRY_OR_ZERO 0x41 /* flags with which `jbe` jumps: the stack will grow, and the function begin again */
#define GO_APPLICATION_DATA 23 /* RFC 8446 section 5.1 */

static __always_inline int go_enters(const struct pt_regs *ctx) {
    return !(ctx->flags & GO_CARRY_OR_ZERO) && allowed(bpf_get_current_pid_tgid() >> 32, SKIP_PLAINTEXT);
}

/*
 * writeRecordLocked(c, type, data): holds the lock for writing, so calls come in the order of the wire; the handshake is over when
 * it passes application data, and no answer can have come yet, which at the return of Write another goroutine may have read.
 */
int go_write_record(struct pt_regs *ctx) {
    if (!go_enters(ctx))
        return 0;
    struct handle_key key = this_handle(ctx->ax);
    u64 sk = go_handle_socket(&key), n = ctx->di;
    if (!sk) {
        struct goroutine writer = {.tgid = key.tgid, .image = key.image, .g = ctx->r14};
        go_writers.update(&writer, &key.handle);
    }
    if ((u8)ctx->bx != GO_APPLICATION_DATA || !n || n > 0x7fffffff)
        return 0;
    return pass_plaintext(ctx, &key, sk, LAYER_GO, OUT, ctx->cx, n);
}

/* Read(c, buffer) ends with `n`; `arguments` is where it keeps c and the buffer's address and length. */
static __always_inline int go_read_ends(struct pt_regs *ctx, const u64 *arguments, s64 n) {
    struct handle_key key = this_handle(arguments[0]);
    if (n <= 0 || n > arguments[2] || n > 0x7fffffff)
        return 0;
    return pass_plaintext(ctx, &key, go_handle_socket(&key), LAYER_GO, IN, arguments[1], n);
}

/*
 * The deferred unlock of Read, which it calls at its end, still holding the lock: rdx is the closure with the mutex inside the Conn.
 * Read's own frame has the rest: its arguments above the return address, two words above what rbp points to, and its result where
 * the instruction after this call loads it from: mov disp(%rsp), %rax.
 */
int go_read_unlocks(struct pt_regs *ctx) {
    if (!go_enters(ctx))
        return 0;
    u64 back = 0, arguments[3] = {}, mutex = 0, n = 0;
    struct {
        u32 opcode;
        s32 displacement;
    } load = {};
    if (bpf_probe_read_user(&back, 8, (void *)ctx->sp) || bpf_probe_read_user(&load, sizeof load, (void *)back))
        return 0;
    s64 at = load.opcode == 0x24448b48 ? (s8)load.displacement : load.opcode == 0x24848b48 ? load.displacement : -1;
    if (at < 0 || bpf_probe_read_user(&n, 8, (void *)(ctx->sp + 8 + at)) || !n)
        return 0;
    if (bpf_probe_read_user(arguments, sizeof arguments, (void *)(ctx->bp + 16)) ||
        bpf_probe_read_user(&mutex, 8, (void *)(ctx->dx + 8)) || mutex - arguments[0] > 4096)
        return 0; /* called otherwise: a panic passes through Read */
    return go_read_ends(ctx, arguments, n);
}

/* A return instruction of Read, in programs built without that optimization. */
int go_read_returns(struct pt_regs *ctx) {
    u64 arguments[3] = {};
    s64 n = ctx->ax;
    if (n <= 0 || !allowed(bpf_get_current_pid_tgid() >> 32, SKIP_PLAINTEXT) ||
        bpf_probe_read_user(arguments, sizeof arguments, (void *)(ctx->sp + 8)))
        return 0;
    return go_read_ends(ctx, arguments, n);
}

/* clientHandshake(c, ctx), serverHandshake(c, ctx): once in a connection's life, unless it renegotiates. */
int go_handshake(struct pt_regs *ctx) {
    if (!go_enters(ctx))
        return 0;
    struct handle_key key = this_handle(ctx->ax);
    u64 sk = go_socket(key.handle);
    struct handle_state *state = handles.lookup(&key);
    struct socket_state *socket = sockets.lookup(&sk);
    if (state && sk && state->sk == sk && socket && state->opened == socket->opened)
        return 0;
    begin_handle(&key, 1); /* its address is another's now */
    if (sk)
        handle_state(&key, sk);
    return 0;
}

/* (*Conn).Close */
int go_close(struct pt_regs *ctx) {
    if (!go_enters(ctx))
        return 0;
    struct handle_key key = this_handle(ctx->ax);
    return end_handle(&key);
}

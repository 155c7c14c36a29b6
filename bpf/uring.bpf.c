/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * io_uring: no system call carries the bytes, but each request tells at its completion where they are (io_uring/net.c and rw.c).
 * It completes on a thread of the process, a kernel thread of its own included, so its memory can be read. A completion that no
 * request ends with (a receive that goes on by itself) does not tell its socket: those bytes are counted when the socket closes.
 */
#define BUNDLE 16 /* IORING_RECVSEND_BUNDLE: one completion for many buffers */

static __always_inline u32 uring_operation(u8 opcode) {
    switch (opcode) {
    case 4: /* READ_FIXED */
    case 22: /* READ */
    case 27: /* RECV */
        return OP(SHAPE_BUFFER, IN);
    case 5: /* WRITE_FIXED */
    case 23: /* WRITE */
    case 26: /* SEND */
    case 47: /* SEND_ZC */
        return OP(SHAPE_BUFFER, OUT);
    case 1: /* READV */
        return OP(SHAPE_IOV, IN);
    case 2: /* WRITEV */
        return OP(SHAPE_IOV, OUT);
    case 9: /* SENDMSG */
    case 48: /* SENDMSG_ZC */
        return OP(SHAPE_MESSAGE, OUT);
    case 10: /* RECVMSG */
        return OP(SHAPE_MESSAGE, IN);
    case 30: /* SPLICE */
        return OP(SHAPE_COUNT, OUT);
    default:
        return 0;
    }
}

#ifdef OFF_REQ_RESULT
static __always_inline u32 read_u32(u64 address) {
    u32 value = 0;
    bpf_probe_read_kernel(&value, sizeof value, (void *)address);
    return value;
}

static __always_inline u64 socket_of_request(u64 req) {
    u64 file = read_u64(req + OFF_REQ_FILE);
    return file ? socket_of_file(file) : 0;
}

/* Where the bytes of a request are. `flags`: those of recv. Gives 0 when that is not known. */
static __always_inline int find_buffer(struct walk *w, u64 req, u8 opcode, u32 result, u32 *flags) {
    if (opcode <= 5 || opcode == 22 || opcode == 23) {
        w->base = read_u64(req + OFF_RW_ADDR);
        w->iovs = read_u32(req + OFF_RW_LEN);
        return 1;
    }
    *flags = read_u32(req + OFF_SR_MSG_FLAGS);
    u32 done = read_u32(req + OFF_SR_DONE);
    u64 base = read_u64(req + OFF_SR_BUF);
    u32 own = read_u32(req + OFF_SR_FLAGS) & 0xffff;
    if (opcode == 9 || opcode == 10 || opcode == 48) {
        w->base = base;
        return 1;
    }
    /* The buffer has moved on over what a request that was tried again passed before. */
    w->base = done <= result ? base - done : 0;
    return base && !(own & BUNDLE);
}

/* io_uring_complete(ring, request, ...), since 5.19 */
int on_uring(struct bpf_raw_tracepoint_args *ctx) {
    u64 req = ctx->args[1], pid_tgid = bpf_get_current_pid_tgid();
    if (!req)
        return 0;
    s32 result = read_u32(req + OFF_REQ_RESULT);
    u8 opcode = 0;
    bpf_probe_read_kernel(&opcode, 1, (void *)(req + OFF_REQ_OPCODE));
    u32 op = uring_operation(opcode), shape = op >> 1;
    if (!op || result < 0)
        return 0;
    const struct config *c = allowed(pid_tgid >> 32, 0);
    u64 sk = c ? socket_of_request(req) : 0;
    struct sock_head head;
    if (!c || !sk || read_sock_head(&head, sk))
        return 0;
    struct socket_state *state = socket_state(sk, &head);
    if (!state)
        return 0;
    mute_socket(c, sk, state);
    if (state->kind >= KIND_TLS && !awaits_hello(state))
        return 0;
    struct long_call call = {.state_key = sk, .is_uring = 1};
    call.header.dir = op & 1;
    call.header.level = level();
    call.header.total = result;
    u32 flags = 0;
    int is_known = shape != SHAPE_COUNT && find_buffer(&call.walk, req, opcode, result, &flags);
    if (flags & MSG_PEEK)
        return 0;
    if (!result) {
        if ((op & 1) == IN)
            pass_bare(&call, state, &head, FLAG_EOF);
        return 0;
    }
    if (!is_known || ((op & 1) == IN && flags & MSG_TRUNC)) {
        int is_full = level() == LEVEL_FULL || state->kind == KIND_HTTP2;
        pass_bare(&call, state, &head, is_full ? FLAG_UNSEEN : FLAG_SKIPPED);
        return 0;
    }
    if (shape == SHAPE_BUFFER && awaits_hello(state)) {
        if (state->kind == KIND_UNKNOWN)
            state->kind = wanted_kind_of(call.walk.base, result, &state->streams[op & 1], state->from_start);
        if (state->kind == KIND_OTHER)
            tell_other(&call.header, sk, state, &head);
        if (state->kind == KIND_TLS)
            take_hello(sk, state, &head, op & 1, call.walk.base, result);
    }
    if (state->kind >= KIND_TLS)
        return 0;
    call.walk.remaining = result;
    call.walk.rest = shape;
    keep_call(pid_tgid, &call);
    socket_tails.call(ctx, TAIL_GATHER);
    return 0;
}
#else
int on_uring(struct bpf_raw_tracepoint_args *ctx) { return 0; }
#endif

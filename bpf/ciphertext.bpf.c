/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * System calls on a TLS socket that has not shown its hellos yet, or whose handle is sought. Only a call's first bytes are looked at: records begin where calls do.
 */
int on_ciphertext(struct bpf_raw_tracepoint_args *ctx) {
    struct saved regs;
    struct sock_head head;
    bpf_probe_read_kernel(&regs, sizeof regs, (void *)(ctx->args[0] + __builtin_offsetof(struct pt_regs, r10)));
    u32 op = operation(regs.nr), shape = op >> 1;
    u64 sk = socket_of(regs.di), n = ctx->args[1];
    struct socket_state *state = sockets.lookup(&sk);
    if (!state || read_sock_head(&head, sk))
        return 0;
    u64 first[2] = {regs.si, n}; /* struct iovec */
    if (shape == SHAPE_MESSAGE)
        bpf_probe_read_user(&first[0], 8, (void *)(regs.si + 16)); /* struct msghdr: msg_iov */
    if (shape == SHAPE_MESSAGE || shape == SHAPE_IOV)
        bpf_probe_read_user(first, sizeof first, (void *)first[0]);
    if (shape > SHAPE_MESSAGE)
        return 0;
    if (first[1] < n)
        n = first[1];
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    if (awaits_hello(state))
        take_hello(sk, state, &head, op & 1, first[0], n);
    if (state->kind < KIND_TLS || !is_sought(state, tgid, op & 1))
        return 0;
    wire_passed(sk, state, &head, tgid, op & 1, first[0], n);
    if ((op & 1) == OUT && !state->is_bound)
        go_wire_passed(ctx->args[0], sk, tgid, first[0], n);
    return 0;
}

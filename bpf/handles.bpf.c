/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * The programs that finish a long TLS call, whatever library it is of.
 */
int walk_handle(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_handle_stream(call) : 0;
    if (!stream)
        return 0;
    if (walk_buffers(call, stream))
        handle_tails.call(ctx, TAIL_WALK);
    end_walk(call);
    return 0;
}

int head_handle(struct pt_regs *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_handle_stream(call) : 0;
    if (stream && take_head(call, stream))
        handle_tails.call(ctx, TAIL_WALK);
    return 0;
}

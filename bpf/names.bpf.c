/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Answers of name servers: what a process receives over UDP from port 53 (RFC 1035 section 4), so that a connection without a
 * name of its own gets that by which its address was looked up.
 */
#define DNS_PORT 0x3500 /* 53, as the network has it */
#define DNS_HEADER 12
#define DNS_MAX 4096 /* what resolvers accept at most, by EDNS */
#define NAMES_A_SECOND 500

/* The port in a struct sockaddr_in or sockaddr_in6 that a call filled in. */
static __always_inline u16 port_in(u64 address) {
    u16 pair[2] = {};
    if (!address || bpf_probe_read_user(pair, sizeof pair, (void *)address))
        return 0;
    return pair[1];
}

int on_names(struct bpf_raw_tracepoint_args *ctx) {
    s64 ret = ctx->args[1];
    struct saved regs;
    bpf_probe_read_kernel(&regs, sizeof regs, (void *)(ctx->args[0] + __builtin_offsetof(struct pt_regs, r10)));
    u64 sk = socket_of(regs.di);
    struct sock_head head;
    if (!sk || read_sock_head(&head, sk) || ret < DNS_HEADER || ret > DNS_MAX)
        return 0;
    u64 base = regs.si, from = regs.nr == 45 ? regs.r8 : 0;
    if (regs.nr == 47) { /* struct msghdr: msg_name, msg_namelen, msg_iov */
        u64 message[3] = {};
        bpf_probe_read_user(message, sizeof message, (void *)regs.si);
        from = message[0];
        u64 iov[2] = {};
        bpf_probe_read_user(iov, sizeof iov, (void *)message[2]);
        base = iov[0];
        if (iov[1] < (u64)ret)
            return 0;
    }
    u16 port = (u16)HEAD_PORTS(&head);
    if ((port ? port : port_in(from)) != DNS_PORT)
        return 0;
    /* An answer that has some: QR in the third byte, ANCOUNT in the seventh and eighth. */
    u8 start[8] = {};
    if (bpf_probe_read_user(start, sizeof start, (void *)base) || !(start[2] & 0x80) || !(start[6] | start[7]))
        return 0;
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    if (!allowed(tgid, SKIP_DNS) || !within_budget(2, NAMES_A_SECOND))
        return 0;
    struct record h = {.ts = bpf_ktime_get_ns(), .tgid = tgid, .type = REC_NAMES, .dir = IN};
    h.total = ret;
    emit_data(&h, base, ret);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What is to be captured: of which processes, how much of each, and on which sockets.
 */
static __always_inline const struct config *settings(void) {
    u32 zero = 0;
    return config.lookup(&zero);
}

/* What was decided about a process; 0 when nothing was. */
static __always_inline struct standing *standing_of(u32 tgid) {
    struct standing *standing = policy.lookup(&tgid);
    if (standing && standing->is.policy >= POLICY_PENDING) {
        u64 exec = standing->exec;
        struct verdict *verdict = verdicts.lookup(&exec);
        if (verdict)
            standing->is = *verdict;
    }
    return standing;
}

/* Whether this process is to be captured, and nothing of `skip` (SKIP_*) is left out: the configuration if so. */
static __always_inline const struct config *allowed(u32 tgid, u8 skip) {
    const struct config *c = settings();
    if (!c || tgid == c->own_tgid)
        return 0;
    if (c->chooses) {
        struct standing *standing = standing_of(tgid);
        if (!standing)
            return c->chooses & CHOOSES_SELECTED ? 0 : c;
        if (standing->is.policy == POLICY_DENY || standing->is.policy == POLICY_UNASKED || standing->is.skip & skip)
            return 0;
    }
    return c;
}

#define SKIP_PLAINTEXT (SKIP_TLS | SKIP_CONTENT)

/* What a socket carries, by its first bytes; HTTP that is not wanted of this process is as good as anything else. */
static __always_inline u8 wanted_kind_of(u64 base, u64 n, struct stream *stream, u8 from_start) {
    u8 kind = kind_of(base, n, stream, from_start, 1);
    return is_http(kind) && !allowed(bpf_get_current_pid_tgid() >> 32, SKIP_CONTENT) ? KIND_OTHER : kind;
}

/* What is known of a socket on which nobody has spoken yet. */
static __always_inline u8 first_kind(const struct sock_head *head, u64 sk) {
    const struct config *c = settings();
    return c && c->ignore_loopback && is_loopback(head, sk) ? KIND_IGNORED : KIND_UNKNOWN;
}

/* Whether user space asks for no more of the socket (`tgid` 0) or TLS handle `id` whose state was made at `began`. */
static __always_inline int is_muted(const struct config *c, u64 id, u64 tgid, u64 began) {
    if (!c->mutes)
        return 0;
    struct mute_key key = {.id = id, .tgid = tgid};
    u64 *said = mutes.lookup(&key);
    return said && began <= *said;
}

static __always_inline void mute_socket(const struct config *c, u64 sk, struct socket_state *state) {
    if (is_http(state->kind) && is_muted(c, sk, 0, state->opened))
        state->kind = KIND_MUTED;
}

static __always_inline void keep_socket(u64 sk, struct socket_state *fresh) {
    if (!sockets.insert(&sk, fresh))
        count(COUNT_SOCKETS, 1);
    else if (sockets.update(&sk, fresh))
        count(COUNT_NO_SLOT, 1);
}

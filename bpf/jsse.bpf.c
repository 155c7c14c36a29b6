/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * JSSE, Java's TLS: what the agent in a JVM (core/qtap/capture/java/agent) tells by write(2) to /dev/null.
 *
 * The payload is the process's word. It can speak of its own connections only: process and socket are looked up here, the socket
 * from a descriptor of that process or by ciphertext that passed through one, and only JVMs with an agent are heard at all.
 */
#define JSSE_MARK_1 0x8f5e61c3a07d42b9ULL
#define JSSE_MARK_2 0x1b94d7e2503cf68aULL

struct jsse_head {
    u64 marks[2];
    u64 handle;  /* number of an SSLSocket or SSLEngine, never used again; the top bit is set */
    u64 pos;     /* as in struct record */
    s32 fd;      /* of the socket below an SSLSocket, else -1 */
    u32 len;     /* bytes of plaintext that follow; 0: only the opening matters */
    u8 dir;
    u8 opening_len;
    u8 pad[6];
};
#define JSSE_OPENING 32 /* follows: how the TLS record began in which an SSLEngine packed the plaintext, or found it */
#define JSSE_DATA (sizeof(struct jsse_head) + JSSE_OPENING)

static __always_inline struct handle_state *jsse_state(const struct handle_key *key, const struct jsse_head *told, u64 base) {
    struct handle_state *state = handle_state(key, 0);
    /* The first socket stays: a descriptor told while another thread closes it may be another connection's by now. */
    if (!state || state->sk)
        return state;
    u64 sk = told->fd >= 0 ? socket_of(told->fd) : 0;
    if (sk)
        return handle_state(key, sk);
    if (told->opening_len) {
        seek(key->tgid);
        handle_passed(key, told->dir & 1, base + sizeof *told, told->opening_len & 31);
    }
    return state;
}

static __always_inline void emit_told(struct bpf_raw_tracepoint_args *ctx, struct long_call *call, struct stream *stream) {
    struct walk *w = &call->walk;
    if (takes_all(&call->header)) {
        emit_data(&call->header, w->base, w->left);
    } else if (begins_head(stream, w->base, w->left)) {
        keep_call(bpf_get_current_pid_tgid(), call);
        socket_tails.call(ctx, TAIL_JSSE_HEAD); /* all of it: it is no longer than a chunk */
    } else {
        call->header.flags |= FLAG_SKIPPED | tail_flag(w->base, w->left);
        emit_bare(&call->header, w->left);
    }
}

/* write(2) to something that is no socket. */
int on_jsse(struct bpf_raw_tracepoint_args *ctx) {
    struct jsse_head told;
    u64 base = 0;
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    u64 *since = jvms.lookup(&tgid);
    if (!since || ctx->args[1] < JSSE_DATA)
        return 0;
    bpf_probe_read_kernel(&base, sizeof base, (void *)(ctx->args[0] + __builtin_offsetof(struct pt_regs, si)));
    if (bpf_probe_read_user(&told, sizeof told, (void *)base) || told.marks[0] != JSSE_MARK_1 ||
        told.marks[1] != JSSE_MARK_2 || told.len > MAX_CHUNK || ctx->args[1] != JSSE_DATA + told.len)
        return 0;
    struct handle_key key = this_handle(told.handle | 1ULL << 63);
    struct handle_state *state = jsse_state(&key, &told, base);
    if (!state) {
        count(COUNT_NO_SLOT, 1);
        return 0;
    }
    if (state->opened < *since)
        state->opened = 0; /* its first bytes passed before the agent was there */
    if (!told.len)
        return 0;
    struct stream *stream = &state->streams[told.dir & 1];
    stream->pos = told.pos;
    struct long_call call = {};
    if (begin_plaintext(&call, &key, state, LAYER_JSSE, told.dir & 1, base + JSSE_DATA, told.len)) {
        call.handle_key = key;
        emit_told(ctx, &call, stream);
    }
    return 0;
}

/* A head of such a write, below level full. */
int head_jsse(struct bpf_raw_tracepoint_args *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_call *call = long_calls.lookup(&pid_tgid);
    struct stream *stream = call ? long_handle_stream(call) : 0;
    if (stream)
        take_head(call, stream);
    return 0;
}

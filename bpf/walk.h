/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Calls with more than one buffer, or more than MAX_CHUNK bytes: a program of its own, reached by tail call, that passes over
 * the buffers with its progress in a map.
 */
/*
 * Buffers and chunks that one run passes, 512 KiB; the kernel allows 33 tail calls, and 1024 buffers. Unrolled, because an older
 * verifier (6.1) forgets what it knows of a place where it found nothing alike four times, and follows each way from there
 * again: a loop of 64 steps took it a hundred times as long.
 */
#define WALK_STEPS 32

struct long_call {
    struct record header;
    struct walk walk;
    u64 state_key; /* of `sockets`, when handle_key.handle is 0 */
    struct handle_key handle_key;
    u64 is_uring; /* no system call: the saved registers tell nothing */
};
BPF_TABLE("lru_hash", u64, struct long_call, long_calls, 8192);
/* Programs of their own, so that the verifier sees each loop once. */
#define TAIL_WALK 0
#define TAIL_HEAD 1
#define TAIL_GATHER 2
#define TAIL_CIPHERTEXT 3
#define TAIL_JSSE 4
#define TAIL_FILE 5
#define TAIL_NAMES 6
#define TAIL_JSSE_HEAD 7
BPF_TABLE("prog", int, int, socket_tails, 8);
BPF_TABLE("prog", int, int, handle_tails, 2);

/* Moves on to the next buffer that is not empty; 0 when there is none. */
static __always_inline int next_buffer(struct walk *w) {
    if (w->left)
        return 1;
    if (!w->iovs && w->message && w->messages) {
        struct {
            u64 name, name_len, iov, iovs, control, control_len, flags, len;
        } message; /* struct mmsghdr */
        if (bpf_probe_read_user(&message, sizeof message, (void *)w->message))
            return 0;
        w->message += sizeof message;
        w->messages--;
        w->iov = message.iov;
        w->iovs = message.iovs;
        w->remaining = (u32)message.len;
        return 1;
    }
    if (!w->iovs)
        return 0;
    struct {
        u64 base, len;
    } iov;
    if (bpf_probe_read_user(&iov, sizeof iov, (void *)w->iov))
        return 0;
    w->iov += sizeof iov;
    w->iovs--;
    w->base = iov.base;
    w->left = iov.len < w->remaining ? iov.len : w->remaining;
    w->remaining -= w->left;
    return 1;
}

/* What the first buffer has of a head. Gives 1 when the call has more buffers to walk. */
static __always_inline int take_head(struct long_call *call, struct stream *stream) {
    struct walk *w = &call->walk;
    u64 n = w->left > MAX_CHUNK ? MAX_CHUNK : w->left;
    int more = w->left != call->header.total || w->left > MAX_CHUNK;
    w->emitted = emit_head(&call->header, stream, w->base, n, more ? 0 : FLAG_SKIPPED | tail_flag(w->base, n));
    w->head = stream->in_head;
    w->base += n;
    w->left -= n;
    w->off = n;
    return more;
}

/* A head spread over several buffers ends at the end of one. */
static __always_inline int ends_head(u64 base, u64 n) {
    u32 tail = 0;
    return n >= 4 && !bpf_probe_read_user(&tail, 4, (void *)(base + n - 4)) && tail == CRLF_CRLF;
}

/*
 * A call whose few small buffers fit one record together, as a server's head and body do. Each offset and each length is below
 * half of the reservation, so that the verifier sees that their sum fits.
 */
#define JOIN_BUFFERS 8
#define JOIN_INTO(SIZE)                                                                      \
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec + 2 * (SIZE), 0);             \
    if (!rec) {                                                                              \
        lose(header->total);                                                                 \
        return;                                                                              \
    }                                                                                        \
    __builtin_memcpy(rec, header, sizeof *rec);                                              \
    rec->len = 0;                                                                            \
    for (u32 i = 0; i < JOIN_BUFFERS; i++) {                                                 \
        u64 n = w->left, at = rec->len;                                                      \
        if (n && n <= (SIZE) && at < (SIZE)) {                                               \
            u64 into = bounded(at + 1, SIZE) - 1;                                            \
            if (bpf_probe_read_user(rec->data + into, bounded(n, SIZE), (void *)w->base))    \
                break;                                                                       \
            rec->len = at + n;                                                               \
        }                                                                                    \
        w->left = 0;                                                                         \
        if (!next_buffer(w))                                                                 \
            break;                                                                           \
    }                                                                                        \
    if (rec->len < rec->total)                                                               \
        rec->flags |= FLAG_UNSEEN;                                                           \
    submit(rec);

static __always_inline void emit_joined(const struct record *header, struct walk *w) {
    if (header->total <= 1024) {
        JOIN_INTO(1024);
    } else {
        JOIN_INTO(4096);
    }
}

static __always_inline int can_join(const struct long_call *call) {
    const struct walk *w = &call->walk;
    return takes_all(&call->header) && call->header.total <= 4096 && w->iovs < JOIN_BUFFERS && !w->messages;
}

/* Keeps a call for the program that a tail call runs next; in place where there is a slot, which is cheaper than an update. */
static __always_inline void keep_call(u64 pid_tgid, const struct long_call *call) {
    struct long_call *slot = long_calls.lookup(&pid_tgid);
    if (slot)
        *slot = *call;
    else
        long_calls.update(&pid_tgid, (struct long_call *)call);
}

/* One chunk of the current buffer, or all of it when nothing more of this call is wanted. */
static __always_inline void walk_step(struct walk *w, struct record *header, struct stream *stream) {
    u64 n = w->left > MAX_CHUNK ? MAX_CHUNK : w->left;
    if (takes_all(header) || w->head) {
        header->off = w->off;
        emit_data(header, w->base, n);
        w->emitted = w->off + n;
        if (w->head && ends_head(w->base, n))
            stream->in_head = w->head = 0;
    } else {
        n = w->left;
        if (!w->iovs)
            w->rest |= tail_flag(w->base, n);
    }
    w->base += n;
    w->left -= n;
    w->off += n;
}

/* Gives 1 when the call has more, for another run. */
static __always_inline int walk_buffers(struct long_call *call, struct stream *stream) {
    struct walk *w = &call->walk;
#pragma unroll 8
    for (u32 i = 0; i < WALK_STEPS; i++) {
        if (!next_buffer(w))
            return 0;
        if (w->left)
            walk_step(w, &call->header, stream);
    }
    return 1;
}

/* What of the call was not copied. */
static __always_inline void end_walk(struct long_call *call) {
    struct walk *w = &call->walk;
    struct record *header = &call->header;
    if (w->emitted < header->total) {
        header->off = w->emitted;
        header->flags |= takes_all(header) ? FLAG_UNSEEN : FLAG_SKIPPED | w->rest;
        emit_bare(header, header->total - w->emitted);
    }
}

static __always_inline struct stream *long_handle_stream(struct long_call *call) {
    struct handle_state *state = handles.lookup(&call->handle_key);
    return state ? &state->streams[call->header.dir & 1] : 0;
}

/* What to do with one call's bytes: everything is emitted here (0), or a tail call finishes it (1 + its index). */
static __always_inline int emit_call(struct long_call *call, struct stream *stream, int is_long) {
    struct walk *w = &call->walk;
    if (!takes_all(&call->header)) {
        if (begins_head(stream, w->base, w->left)) {
            if (w->left == call->header.total && emit_small_head(&call->header, stream, w->base, w->left))
                return 0;
            return 1 + TAIL_HEAD;
        }
        if (!is_long) {
            call->header.flags |= FLAG_SKIPPED | tail_flag(w->base, w->left);
            emit_bare(&call->header, w->left);
            return 0;
        }
    } else if (!is_long) {
        emit_data(&call->header, w->base, w->left);
        return 0;
    }
    return 1 + TAIL_WALK;
}

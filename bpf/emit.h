/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Copying bytes into the ring.
 *
 * Space is reserved in the ring and filled there: programs can be preempted by others on the same CPU, so no scratch buffer of
 * a CPU is safe. Reservations have few sizes because the verifier wants constants.
 */
#define barrier() asm volatile("" ::: "memory")
#define NO_WAKEUP 1 /* BPF_RB_NO_WAKEUP: the reader polls in batches, so the traced process pays for no wake-up */
#define WAKEUP 2    /* BPF_RB_FORCE_WAKEUP: for what it must look at before the process is gone or makes its first call */

/*
 * The level of this capture. The loader puts it in the place of the number, so that the verifier leaves out what only another
 * level needs: a start takes half the time.
 */
static __always_inline u32 level(void) {
    u64 level;
    asm volatile("%0 = 1818588268" : "=r"(level));
    return level;
}

/* Whether all of a call's bytes are wanted: of HTTP/2 they are at every level. */
static __always_inline int takes_all(const struct record *header) {
    return level() == LEVEL_FULL || header->level == LEVEL_FULL;
}

static __always_inline void lose(u64 bytes) {
    count(COUNT_RING_FULL, 1);
    if (bytes) /* adding a constant 0 becomes an operation that Linux before 5.12 does not have */
        count(COUNT_BYTES_LOST, bytes);
}

static __always_inline void submit(struct record *rec) {
    bpf_ringbuf_submit(rec, NO_WAKEUP);
}

/* A large one: bodies can fill the ring before the reader's next look. */
static __always_inline void submit_large(struct record *rec) {
    u64 filled = bpf_ringbuf_query(RING, 0 /* BPF_RB_AVAIL_DATA */);
    bpf_ringbuf_submit(rec, filled > bpf_ringbuf_query(RING, 1 /* BPF_RB_RING_SIZE */) / 8 ? WAKEUP : NO_WAKEUP);
}

/* A program that was executed, a library that was mapped: it may make its first request some milliseconds from now. */
static __always_inline void tell_news(u32 type, const struct seen_key *file) {
    struct news news = {.file = *file, .tgid = bpf_get_current_pid_tgid() >> 32, .type = type};
    bpf_ringbuf_output(NEWS, &news, sizeof news, WAKEUP);
}

/* Keeps a record that found no room in the ring. */
static __always_inline void keep_late(struct late *late, u64 id, u32 owner) {
    struct late_key key = {.id = id, .owner = owner, .type = late->header.type};
    lose(0);
    if (late_records.update(&key, late))
        count(COUNT_NO_SLOT, 1);
    else
        count(COUNT_LATE, 1);
}

/* Tells of an end, `size` bytes of it, now or late. */
static __always_inline void tell_end(struct late *end, u64 size, u64 id, u32 owner) {
    if (bpf_ringbuf_output(RING, end, size, NO_WAKEUP))
        keep_late(end, id, owner);
}

/* A record without data. */
static __always_inline void emit_bare(const struct record *header, u64 bytes) {
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec, 0);
    if (!rec) {
        lose(bytes);
        return;
    }
    __builtin_memcpy(rec, header, sizeof *rec);
    bpf_ringbuf_submit(rec, header->type == REC_LIBRARY || header->type == REC_ROOT ? WAKEUP : NO_WAKEUP);
}

/*
 * `n` from 1 to `limit`, a constant power of two, as every verifier sees it: it forgets what a comparison said of a register
 * when the compiler keeps another that depends on it, or moves it to the stack (before Linux 6.13, and 5.11).
 */
static __always_inline u64 bounded(u64 n, const u64 limit) {
    n--;
    asm volatile("%0 &= %1" : "+r"(n) : "i"(limit - 1));
    return n + 1;
}

#define EMIT_INTO(SIZE, PAD)                                                        \
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec + (SIZE) + (PAD), 0); \
    if (!rec) {                                                                      \
        lose(n);                                                                     \
        return 0;                                                                    \
    }                                                                                \
    __builtin_memcpy(rec, header, sizeof *rec);                                      \
    rec->len = n;                                                                    \
    if (bpf_probe_read_user(rec->data, bounded(n, SIZE), (void *)base)) {            \
        count(COUNT_UNREADABLE, 1);                                                  \
        rec->len = 0;                                                                \
        rec->flags |= FLAG_UNSEEN;                                                   \
    }

/* 1 to MAX_CHUNK bytes of user memory. */
static __always_inline int emit_data(const struct record *header, u64 base, u64 n) {
    if (n - 1 < 512) {
        EMIT_INTO(512, 0);
        submit(rec);
    } else if (n - 1 < 2048) {
        EMIT_INTO(2048, 0);
        submit(rec);
    } else if (n - 1 < 4096) {
        EMIT_INTO(4096, 0);
        submit(rec);
    } else if (n - 1 < MAX_CHUNK) {
        EMIT_INTO(MAX_CHUNK, 0);
        submit_large(rec);
    }
    return 0;
}

#define HEAD_SCAN 4096 /* a longer head is copied with what follows it: more than asked for, never less */
#define CRLF_CRLF 0x0a0d0a0du

/*
 * Where a message head ends in the n bytes of rec->data, into rec->len; 0: not there. Every CR LF CR LF covers exactly one
 * index of the form 4k + 3. The answer passes through memory, else the verifier follows each possible end separately.
 */
static __always_inline void find_head_end(struct record *rec, u32 n, const u32 size) {
    rec->len = 0;
#pragma nounroll
    for (u32 i = 3; i < size; i += 4) {
        if (i >= n)
            break;
        if (rec->data[i] > '\r')
            continue;
        u64 window = *(u64 *)(rec->data + i - 3);
        u32 behind = 4;
        if (i == 3 && (u32)window == CRLF_CRLF && !(u8)(window >> 32))
            continue; /* the signature of the PROXY protocol */
        if ((u32)window == CRLF_CRLF)
            behind = 1;
        else if ((u32)(window >> 8) == CRLF_CRLF)
            behind = 2;
        else if ((u32)(window >> 16) == CRLF_CRLF)
            behind = 3;
        else if ((u32)(window >> 24) != CRLF_CRLF)
            continue;
        rec->len = i + behind;
        break;
    }
    barrier();
}

#define EMIT_HEAD(SIZE)                                                     \
    EMIT_INTO(SIZE, 8);                                                     \
    find_head_end(rec, (u32)n, (SIZE) < HEAD_SCAN ? (SIZE) : HEAD_SCAN);    \
    u32 end = rec->len;                                                     \
    stream->in_head = end == 0 || end > n;                                  \
    if (stream->in_head)                                                    \
        end = n;                                                            \
    else if (rec->off + end < rec->total)                                   \
        rec->flags |= rest;                                                 \
    rec->len = end;                                                         \
    submit(rec);                                                            \
    return (int)end;

/* Like emit_data, but nothing after the head's end counts. Gives the bytes taken; `rest` flags what this call has beyond them. */
static __always_inline int emit_head(const struct record *header, struct stream *stream, u64 base, u64 n, u8 rest) {
    if (n - 1 < 1024) {
        EMIT_HEAD(1024);
    } else if (n - 1 < MAX_CHUNK) {
        EMIT_HEAD(MAX_CHUNK);
    }
    return 0;
}

/* FLAG_ENDS_CHUNKED when a buffer ends with the last chunk (RFC 9112 section 7.1). */
static __always_inline u8 tail_flag(u64 base, u64 n) {
    u8 t[5] = {};
    if (n < 5 || bpf_probe_read_user(t, 5, (void *)(base + n - 5)))
        return 0;
    return t[0] == '0' && t[1] == '\r' && t[2] == '\n' && t[3] == '\r' && t[4] == '\n' ? FLAG_ENDS_CHUNKED : 0;
}

#define SMALL_HEAD 1024

/*
 * The head at the beginning of a call's `total` bytes at `base`, when it ends there and soon: without the tail call that emit_head
 * needs, which costs more than the rest. Gives 0 when it does not, and has done nothing then. In a full ring the head is lost here:
 * the tail call would find no room either.
 */
static __always_inline int emit_small_head(const struct record *header, struct stream *stream, u64 base, u64 total) {
    u64 n = total < SMALL_HEAD ? total : SMALL_HEAD;
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec + SMALL_HEAD + 8, 0);
    if (!rec) {
        lose(total);
        return 1;
    }
    __builtin_memcpy(rec, header, sizeof *rec);
    if (n - 1 >= SMALL_HEAD || bpf_probe_read_user(rec->data, bounded(n, SMALL_HEAD), (void *)base)) {
        bpf_ringbuf_discard(rec, NO_WAKEUP);
        return 0;
    }
    find_head_end(rec, (u32)n, SMALL_HEAD);
    if (!rec->len || rec->len > n) {
        bpf_ringbuf_discard(rec, NO_WAKEUP);
        return 0;
    }
    if (rec->len < total)
        rec->flags |= FLAG_SKIPPED | tail_flag(base, total);
    stream->in_head = 0;
    submit(rec);
    return 1;
}

/* Whether one more of this kind may be told of in this second. Races let a few more pass, which does no harm. */
static __always_inline int within_budget(u32 which, u64 limit) {
    struct budget *budget = budgets.lookup(&which);
    u64 second = bpf_ktime_get_ns() >> 30;
    if (!budget)
        return 0;
    if (budget->second != second) {
        budget->second = second;
        budget->used = 0;
    }
    if (budget->used >= limit) {
        count(COUNT_UNTOLD, 1);
        return 0;
    }
    __sync_fetch_and_add(&budget->used, 1);
    return 1;
}

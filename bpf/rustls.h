/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Which connection of rustls a call is about. A connection is a plain structure that programs move as they like: after the
 * handshake, into a future, onto the heap. So an address says nothing for long, and the next connection takes it over. What stays
 * is what the structure points to: the two boxed ciphers of its CommonState, the encrypter and the decrypter, which it alone owns.
 * They are read where CommonState lies now, and lead to the connection, whose handle is a number of our own, given out once.
 *
 * Where in CommonState they are the compiler decides, once for all connections of a program. It is proven, not assumed: a cipher
 * at work inside a call on a CommonState is found in that structure's own bytes. Two other members are learned likewise, by what
 * one thread does within one call of the library, and whatever they lead to must hold ciphers that are known:
 *
 *   received   received_plaintext, which read_tls looks at first, and from which a Reader reads
 *   sendable   sendable_tls, which write_tls writes to the socket
 *
 * A cipher is given the number of its TLS record. Number 0 tells a new one, so a cipher that has the address of one that is gone
 * never passes for it.
 */
#define RUSTLS_STATE 2048 /* more than a CommonState takes: some 850 bytes */
#define RUSTLS_LEAST 4096 /* a lower address is none: a cipher without state, that of a connection without keys */

/* What a thread did last. */
struct rustls_thread {
    u64 received;  /* of the read_tls that began last */
    u64 sk;        /* from which that read */
    u64 opened;
    u64 decrypter; /* that decrypted since */
    u64 common;    /* on which a call that sends began last */
    u64 result;    /* where into_first_chunk will tell of a chunk, and in which received it is */
    u64 reader;
};
BPF_TABLE("lru_hash", u64, struct rustls_thread, rustls_threads, 8192);

enum rustls_member { RUSTLS_ENCRYPTER = 0, RUSTLS_DECRYPTER, RUSTLS_RECEIVED, RUSTLS_SENDABLE, RUSTLS_MEMBERS };
/* Of each member one more than its offset in CommonState; 0: not known. A program may hold two versions of rustls. */
#define RUSTLS_VERSIONS 2
struct rustls_layout {
    u32 at[RUSTLS_VERSIONS][RUSTLS_MEMBERS];
    u64 kind[RUSTLS_VERSIONS][2]; /* of the cipher that told a place: the table of its functions, which a box points to as well */
};
BPF_TABLE("lru_hash", u32, struct rustls_layout, rustls_layouts, 4096);

struct rustls_cipher {
    u64 connection; /* 0: not known yet */
    u64 sk;         /* whose ciphertext it decrypted last */
    u64 opened;
    u8 is_used;
    u8 from_start; /* it was seen at its first record */
    u8 pad[6];
};
BPF_TABLE("lru_hash", struct handle_key, struct rustls_cipher, rustls_ciphers, 65536);

static __always_inline u32 rustls_tgid(void) { return bpf_get_current_pid_tgid() >> 32; }

static __always_inline struct rustls_thread *rustls_thread(void) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    if (!allowed(pid_tgid >> 32, SKIP_PLAINTEXT))
        return 0;
    struct rustls_thread *thread = rustls_threads.lookup(&pid_tgid);
    if (thread)
        return thread;
    struct rustls_thread fresh = {};
    rustls_threads.update(&pid_tgid, &fresh);
    return rustls_threads.lookup(&pid_tgid);
}

static __always_inline struct rustls_layout *rustls_layout(void) {
    u32 tgid = rustls_tgid();
    struct rustls_layout *layout = rustls_layouts.lookup(&tgid);
    if (layout)
        return layout;
    struct rustls_layout none = {};
    rustls_layouts.update(&tgid, &none);
    return rustls_layouts.lookup(&tgid);
}

static __always_inline struct rustls_cipher *rustls_cipher(u64 address) {
    struct handle_key key = this_handle(address);
    return address < RUSTLS_LEAST ? 0 : rustls_ciphers.lookup(&key);
}

/* The cipher at `address` works on its record `number`. */
static __always_inline struct rustls_cipher *rustls_use(u64 address, u64 number) {
    struct handle_key key = this_handle(address);
    struct rustls_cipher fresh = {.is_used = 1, .from_start = !number};
    if (address < RUSTLS_LEAST)
        return 0;
    struct rustls_cipher *cipher = rustls_ciphers.lookup(&key);
    if (!cipher || (!number && cipher->is_used)) {
        rustls_ciphers.update(&key, &fresh);
        return rustls_ciphers.lookup(&key);
    }
    cipher->is_used = 1;
    if (!number)
        cipher->from_start = 1;
    return cipher;
}

/* The word of CommonState that a member's place tells, 0 when it is not known. */
static __always_inline u64 rustls_word(u64 common, u32 place) {
    u64 word = 0;
    if (place)
        bpf_probe_read_user(&word, sizeof word, (void *)(common + place - 1));
    return word;
}

/* The place of the first word of CommonState that is `pointer`; 0 when none is. */
static __always_inline u32 rustls_search(u64 common, u64 pointer) {
    u64 words[8] = {};
    for (u32 at = 0; at < RUSTLS_STATE; at += sizeof words) {
        if (bpf_probe_read_user(words, sizeof words, (void *)(common + at)))
            return 0;
#pragma unroll
        for (u32 i = 0; i < 8; i++)
            if (words[i] == pointer)
                return at + 8 * i + 1;
    }
    return 0;
}

/* Whether this CommonState is of a version: it has a cipher where that has one. */
static __always_inline int rustls_matches(const struct rustls_layout *layout, u32 version, u32 member, u64 common) {
    u32 place = layout->at[version][member];
    u64 kind = layout->kind[version][member];
    return place && ((kind && rustls_word(common, place + 8) == kind) || rustls_cipher(rustls_word(common, place)));
}

static __always_inline void rustls_place(struct rustls_layout *layout, u32 version, u32 member, u64 common, u32 place) {
    layout->at[version][member] = place;
    layout->kind[version][member] = rustls_word(common, place + 8);
}

/*
 * The version of rustls of this CommonState, which holds a cipher at `pointer` as its `member`; learns its place. Below 0: it
 * does not hold it.
 */
static __always_inline int rustls_version(struct rustls_layout *layout, u64 common, u64 pointer, u32 member) {
    u32 other = member == RUSTLS_ENCRYPTER ? RUSTLS_DECRYPTER : RUSTLS_ENCRYPTER;
    if (rustls_word(common, layout->at[0][member]) == pointer)
        return 0;
    if (rustls_word(common, layout->at[1][member]) == pointer)
        return 1;
    u32 place = rustls_search(common, pointer);
    if (!place)
        return -1;
    if (!layout->at[0][member] && rustls_matches(layout, 0, other, common)) {
        rustls_place(layout, 0, member, common, place);
        return 0;
    }
    if (!layout->at[1][member] && rustls_matches(layout, 1, other, common)) {
        rustls_place(layout, 1, member, common, place);
        return 1;
    }
    /* Another version, or the program that this process executed since: the older layout goes. */
    struct rustls_layout next = {};
    __builtin_memcpy(next.at[1], layout->at[0], sizeof next.at[1]);
    __builtin_memcpy(next.kind[1], layout->kind[0], sizeof next.kind[1]);
    rustls_place(&next, 0, member, common, place);
    *layout = next;
    return 0;
}

static __always_inline void rustls_learn(struct rustls_layout *layout, int version, u32 member, u64 common, u64 address) {
    if (address >= common && address - common < RUSTLS_STATE)
        layout->at[version & 1][member] = address - common + 1;
}

/* A cipher whose connection is known now; one that was not seen yet, or was another's, begins with it. */
static __always_inline void rustls_join(u64 address, u64 connection, u8 from_start) {
    struct handle_key key = this_handle(address);
    struct rustls_cipher fresh = {.connection = connection, .from_start = from_start};
    if (address < RUSTLS_LEAST)
        return;
    struct rustls_cipher *cipher = rustls_ciphers.lookup(&key);
    if (cipher && (!cipher->connection || cipher->connection == connection))
        cipher->connection = connection;
    else
        rustls_ciphers.update(&key, &fresh);
}

/* A connection begins, or capture begins to see it. */
static __always_inline u64 rustls_begin(u8 from_start) {
    /* Addresses of user space have no highest bit, so that it never is another library's handle. */
    u64 now = bpf_ktime_get_ns() & ~0xffULL, cpu = bpf_get_smp_processor_id() & 0xff;
    struct handle_key key = this_handle(1ULL << 63 | now | cpu);
    new_handle(&key, from_start);
    return key.handle;
}

/* Ciphertext of this connection passed through `sk`. */
static __always_inline void rustls_bind(u64 connection, u64 sk) {
    struct handle_key key = this_handle(connection);
    struct handle_state *state = connection && sk ? handles.lookup(&key) : 0;
    if (state && !state->sk)
        associate(&key, sk);
}

/* Whether `encrypter` is of the connection whose ciphertext `decrypter` decrypts; if not, it is what had its address before. */
static __always_inline int rustls_belongs(const struct rustls_cipher *encrypter, const struct rustls_cipher *decrypter) {
    struct handle_key key = this_handle(encrypter->connection);
    struct handle_state *state = handles.lookup(&key);
    if (!state)
        return 0;
    if (state->sk)
        return state->sk == decrypter->sk && state->opened == decrypter->opened;
    return encrypter->is_used;
}

/* The connection of this version whose plaintext lies in `received`; 0 when that is none, or none is known. */
static __always_inline u64 rustls_reads(const u32 *at, u64 received) {
    u64 common = received - at[RUSTLS_RECEIVED] + 1;
    u64 addresses[2] = {rustls_word(common, at[RUSTLS_ENCRYPTER]), rustls_word(common, at[RUSTLS_DECRYPTER])};
    struct rustls_cipher *encrypter = rustls_cipher(addresses[0]), *decrypter = rustls_cipher(addresses[1]);
    if (!decrypter) /* its keys have just been changed */
        return encrypter && encrypter->is_used ? encrypter->connection : 0;
    u64 connection = decrypter->connection, sk = decrypter->sk;
    u8 from_start = decrypter->from_start;
    if (connection && encrypter && encrypter->connection == connection)
        return connection;
    if (connection && encrypter && encrypter->connection) { /* one of them is what had its address before: begin anew */
        encrypter->connection = decrypter->connection = 0;
        return 0;
    }
    if (!connection && encrypter && encrypter->connection && rustls_belongs(encrypter, decrypter))
        connection = encrypter->connection;
    if (!connection)
        connection = rustls_begin(from_start);
    rustls_join(addresses[0], connection, from_start);
    rustls_join(addresses[1], connection, from_start);
    rustls_bind(connection, sk);
    return connection;
}

static __always_inline u64 rustls_reading(u64 received) {
    struct rustls_layout *layout = rustls_layout();
    if (!layout)
        return 0;
    u64 connection = layout->at[0][RUSTLS_RECEIVED] ? rustls_reads(layout->at[0], received) : 0;
    if (!connection && layout->at[1][RUSTLS_RECEIVED])
        connection = rustls_reads(layout->at[1], received);
    return connection;
}

/* The connection of this version whose ciphertext is in `sendable`. */
static __always_inline u64 rustls_sends(const u32 *at, u64 sendable) {
    u64 common = sendable - at[RUSTLS_SENDABLE] + 1;
    if (!at[RUSTLS_SENDABLE])
        return 0;
    struct rustls_cipher *encrypter = rustls_cipher(rustls_word(common, at[RUSTLS_ENCRYPTER]));
    return encrypter && encrypter->is_used ? encrypter->connection : 0;
}

static __always_inline u64 rustls_sending(struct rustls_layout *layout, u64 sendable) {
    u64 connection = rustls_sends(layout->at[0], sendable);
    return connection ? connection : rustls_sends(layout->at[1], sendable);
}

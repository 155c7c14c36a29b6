/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What the programs remember, all of it bounded. `ring` is a number that the loader replaces by the ring's descriptor.
 */
#define RING ((void *)bpf_pseudo_fd(1, 1000))
/* Likewise: what the thread that sets probes is to look at before anything else, beside its record in the ring. */
#define NEWS ((void *)bpf_pseudo_fd(1, 1001))
#define MAX_CHUNK 16384

enum kind { KIND_UNKNOWN = 0, KIND_HTTP = 1, KIND_HTTP2 = 2, KIND_TLS = 3, KIND_OTHER = 4, KIND_MUTED = 5, KIND_IGNORED = 6,
            KIND_DATAGRAMS = 7 };
/*
 * KIND_HTTP2: all of it passes at every level. Headers mean nothing without all those before them, and telling frames apart by
 * what 16 bytes of each call show is not exact; so user space drops the bodies.
 */
/* KIND_MUTED: carried HTTP, and user space asked for no more of it; its end is still told. */
/* KIND_IGNORED: the configuration asks for none of it, whatever it is: user space never hears of it. */
/* KIND_DATAGRAMS: UDP, and what it receives may be a name server's. */
/* A socket that was open before capture may be in the middle of a body: look at so many calls before calling it other. */
#define LOOKS_BEFORE_OTHER 64

struct config {
    u32 own_tgid;  /* never captured */
    u32 chooses;   /* CHOOSES_*; 0: every process is captured */
    u32 java;      /* 1: agents in JVMs tell of their TLS, and new JVMs are of interest */
    u32 ignore_loopback;
    u32 mutes; /* 1: there is something in `mutes` */
};
BPF_ARRAY(config, struct config, 1);

#define CHOOSES_SELECTED 1 /* only processes that were selected, and what they start; who is not in `policy` was not */
#define CHOOSES_PROGRAMS 2 /* some programs are filtered out, wholly or in part: user space is asked at each exec */

#define POLICY_DENY 0
#define POLICY_ALLOW 1
#define POLICY_PENDING 2 /* just executed; user space decides by its path */
#define POLICY_UNASKED 3 /* likewise, but the ring had no room to ask: refused until user space finds that in `late_records` */
#define SKIP_DATA 1      /* of what is allowed: no payload (spec qtap.md 7.8) */
#define SKIP_DNS 2       /* no answers of name servers */
#define SKIP_TLS 4       /* no plaintext of TLS libraries */
#define SKIP_HTTP 8      /* connections are told of, no HTTP */
#define SKIP_CONTENT (SKIP_DATA | SKIP_HTTP)
struct verdict {
    u8 policy;
    u8 is_selected; /* it, or what it descends from; also when its program is denied */
    u8 skip;        /* SKIP_* */
    u8 pad;
};
struct standing {
    u64 exec; /* the time of that exec, to which `verdicts` refers: the answer to an earlier one comes too late to be heard */
    struct verdict is;
    u32 pad;
};
BPF_HASH(policy, u32, struct standing, 32768);
BPF_TABLE("lru_hash", u64, struct verdict, verdicts, 4096);

/* The JVMs that are believed what they tell, and since when (as `opened`) their agents have seen every connection. */
BPF_HASH(jvms, u32, u64, 4096);

/* One direction of a socket or TLS handle. */
struct stream {
    u64 pos;
    u32 seq;
    u16 in_head; /* a head began and its end was not seen: the next call continues it; TLS: bytes of a hello still to come */
    u16 looks;
};

struct socket_state {
    u64 address;  /* the v4 pair, or 0: with `ports`, tells a reused struct sock from the one we knew */
    u32 ports;
    u8 kind;
    u8 from_start;
    u8 is_bound; /* a TLS handle is known to use it */
    u8 facts;    /* FACT_*, FLAG_SERVER, FLAG_CLIENT */
    u64 opened;
    struct stream streams[2];
};
BPF_TABLE("lru_hash", u64, struct socket_state, sockets, 65536);
#define FACT_HELLO 1       /* TLS: the first record of direction 0 began; of direction 1: twice that */
#define FACT_HELLO_OVER 4  /* and no more of it is wanted; likewise */
#define FACT_HELLOS_OVER 12
#define FACT_TOLD 16       /* user space has heard of it, and is to hear of its end */

/* How many connections that carry no HTTP user space is told of in a second: the rest is only counted. */
#define OTHERS_A_SECOND 1000
#define HELLOS_A_SECOND 4000
struct budget {
    u64 second;
    u64 used;
};
BPF_ARRAY(budgets, struct budget, 3);

/* `image` tells the program that the process runs from those that it ran before, whose handles had the same addresses. */
struct handle_key {
    u64 handle;
    u32 tgid;
    u32 image;
};
/* The addresses are kept, since the socket may be gone, and another connection's, before the last plaintext passes. */
struct handle_state {
    u64 sk;
    u64 opened;
    u64 made; /* when it was first heard of */
    u8 local[16]; /* as in struct record */
    u8 remote[16];
    u16 local_port;
    u16 remote_port;
    u16 family;
    u8 kind;
    u8 from_start;
    u8 layer;
    u8 pad[7];
    struct stream streams[2];
};
BPF_TABLE("lru_hash", struct handle_key, struct handle_state, handles, 65536);
BPF_ARRAY(blank_handle, struct handle_state, 1); /* all zero: there is no room for one on the stack */

/*
 * Of what user space asks for no more: the socket or, with its process, the TLS handle, and the time of the record about which it
 * said so. What began later has only the same address. User space writes here and never into a state, which the programs change.
 */
struct mute_key {
    u64 id;
    u64 tgid; /* 0: a socket */
};
BPF_TABLE("lru_hash", struct mute_key, u64, mutes, 4096);

/* A TLS library call in progress on a thread. Two levels: TLS inside TLS (an HTTPS proxy) nests once. */
struct call {
    u64 handle;
    u64 buf;
    u64 result; /* where the library writes the byte count; 0: the return value is the count */
    u64 stack;  /* tells a call that never returned (longjmp, thread exit) from one that nests */
    u64 sk;     /* socket of a system call made inside */
    u32 layer;  /* enum layer; LAYER_SOCKET: a handshake or a look ahead, which passes no plaintext */
    u32 hello;  /* 1: it may be shaking hands */
    u64 bio;    /* where a read of ciphertext from memory, in progress, puts it */
};
struct calls {
    u32 depth;
    u32 image; /* as in struct handle_key: an exec drops this */
    u64 settled; /* the last socket found to have no handshake going on */
    struct call level[2];
};
BPF_HASH(thread_calls, u64, struct calls, 32768);

/* Progress through one system call's or TLS call's buffers; in a map, because older verifiers do not converge on it elsewhere. */
struct walk {
    u64 message; /* next struct mmsghdr, 0: none */
    u64 iov;     /* next struct iovec */
    u64 iovs;    /* how many follow */
    u64 base;    /* what is left of the current buffer */
    u64 left;
    u64 remaining; /* bytes of the call (of the message) not yet passed */
    u32 messages;
    u32 off;     /* bytes of the call passed over */
    u32 emitted; /* of those, the prefix that was copied */
    u16 head;    /* below level full: the head has not ended yet */
    u16 rest;    /* flags for what was not copied */
};

/* The number of an inode is used again once its file is gone; most file systems then give it another generation. */
struct seen_key {
    u64 ino;
    u64 superblock;
    u64 generation;
};
BPF_TABLE("lru_hash", struct seen_key, u32, seen_libraries, 16384);

struct news {
    struct seen_key file; /* of REC_LIBRARY */
    u32 tgid;
    u32 type; /* REC_EXEC, REC_LIBRARY, REC_ROOT */
};

/*
 * What finds no room in the ring but must not be missed: without its end a connection or a process lives on, and without its exec
 * a program passes for another one. User space looks here when COUNT_LATE has risen, and takes them as records that come late.
 */
struct late_key {
    u64 id;    /* of the TLS handle, the socket or the process */
    u32 owner; /* the process of a TLS handle, else 0 */
    u32 type;
};
struct late {
    struct record header;
    struct totals totals;
};
BPF_HASH(late_records, struct late_key, struct late, 8192);

/* Counters, summed over CPUs by the loader; names in core/qtap/capture/records.py. */
enum counter {
    COUNT_RING_FULL = 0,
    COUNT_BYTES_LOST,
    COUNT_UNREADABLE,
    COUNT_NO_SLOT,
    COUNT_UNTOLD,
    COUNT_UNTIED, /* calls whose plaintext is of a connection that cannot be told */
    COUNT_LATE,
    COUNT_SOCKETS, /* entries made in `sockets`, less those deleted: more than fit are those that the kernel dropped */
    COUNT_HANDLES, /* likewise in `handles` */
    COUNTERS
};
BPF_PERCPU_ARRAY(counters, u64, COUNTERS);

static __always_inline void count(u32 which, u64 n) {
    u64 *value = counters.lookup(&which);
    if (value)
        __sync_fetch_and_add(value, n); /* a program can be preempted by another on its CPU */
}

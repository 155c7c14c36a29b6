/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * One record of the ring. core/qtap/capture/records.py reads this layout: change both together.
 *
 * Every record carries its socket's address, so that the loss of one record never orphans a connection; `seq` and `pos`
 * count per stream (one direction of one socket, or of one TLS handle), so that every gap is known to the byte.
 */
#include <linux/types.h>
#include <uapi/linux/ptrace.h>

/* BCC reads the kernel's whole symbol table at each call of this helper that it knows by its name: 0.2 s each. */
static long (*read_user_memory)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user;
#define bpf_probe_read_user read_user_memory

/* The part of the saved registers (struct pt_regs, x86-64) that a system call's arguments and number are in. */
struct saved {
    u64 r10, r9, r8, ax, cx, dx, si, di, nr, ip, cs, flags, sp;
};

enum record_type {
    REC_DATA = 1,
    REC_CLOSE = 2,
    REC_EXEC = 3,
    REC_EXIT = 4,
    REC_LIBRARY = 5,
    REC_FORK = 6,
    REC_HELLO = 7, /* a TLS connection; the data is of the first TLS record of this direction */
    REC_OTHER = 8, /* a connection that is neither HTTP nor TLS */
    REC_JVM = 9,   /* a process has mapped the Java virtual machine */
    REC_ROOT = 10, /* a process has another root directory: a container begins */
    REC_NAMES = 11, /* a name server's answer, of which the data is the beginning */
};
enum direction { OUT = 0, IN = 1 };
enum layer { LAYER_SOCKET = 0, LAYER_OPENSSL = 1, LAYER_GNUTLS = 2, LAYER_NSS = 3, LAYER_JSSE = 4, LAYER_GO = 5, LAYER_RUSTLS = 6 };
enum capture_level { LEVEL_SUMMARY = 0, LEVEL_HEADERS = 1, LEVEL_FULL = 2 };

#define FLAG_FROM_START 1  /* the socket was established, or the handle made, while we watched */
#define FLAG_UNSEEN 2      /* `len` is less than it could be: the bytes could not be read (sendfile, MSG_TRUNC, a fault) */
#define FLAG_SKIPPED 4     /* likewise, but by design: the level asks for no bodies */
#define FLAG_ENDS_CHUNKED 8 /* the skipped call ended with "0\r\n\r\n" */
#define FLAG_EOF 16        /* the process read the end of the stream */
#define FLAG_SERVER 32     /* REC_HELLO, REC_OTHER: the connection was accepted while we watched */
#define FLAG_CLIENT 64     /* likewise: this end made it */
#define FLAG_FILE 128      /* with FLAG_UNSEEN: the data of the record says in which file the bytes are */

struct record {
    u64 ts;     /* CLOCK_MONOTONIC, nanoseconds */
    u64 sk;     /* kernel address of the socket; 0 while a TLS handle's socket is unknown */
    u64 handle; /* SSL *; 0 on the socket layer */
    u64 pos;    /* stream position of the call's first byte, counted from the first byte seen */
    u64 opened; /* when the connection was established; 0 if before capture */
    u32 tgid;
    u32 seq;    /* number of this record in its stream */
    u32 total;  /* bytes the call moved */
    u32 off;    /* where in the call the data of this record begins */
    u32 len;    /* data bytes in this record */
    u16 local_port;
    u16 remote_port;
    u8 local[16]; /* IPv4 uses the first four bytes */
    u8 remote[16];
    u8 type;
    u8 dir;
    u8 layer;
    u8 flags;
    u16 family;
    u16 level;
    u8 data[];
};

/* REC_CLOSE: of a TLS handle of `tgid` when `handle` is not 0, else of a socket, with this as its data. */
struct totals {
    u64 sent;     /* bytes, without those sent again */
    u64 received;
    u64 read;     /* of those, what the process took out of the socket */
};
/* REC_LIBRARY: `pos` is the file's inode number, `handle` its superblock's address. */
/* REC_FORK: `tgid` is the child, `pos` the parent, about whom user space may not have decided yet. */

/* The data of a record with FLAG_FILE: this, then the names on the path from the process's root, the last one first, NUL behind each. */
struct file_piece {
    u64 inode;
    u64 superblock; /* its address: inode numbers are of one file system */
    u64 offset;     /* in the file, of the call's first byte */
    u64 path_known; /* 0: it does not lead to the root */
};

/*
 * The data of REC_EXEC: this, then 1024 bytes for the arguments as the kernel lays them out (NUL between), then the names on the path
 * of the program's file from the process's root, the last one first, NUL behind each. None of it when it comes late, with
 * `is_selected` as `pos`.
 */
struct exec_head {
    u32 ppid;
    u32 uid;
    u16 path_len; /* 0: it does not lead to the root */
    u16 args_len;
    u32 is_selected; /* by what it inherited; else user space decides */
    char comm[16];
};

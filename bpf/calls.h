/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * The system calls that move bytes through a descriptor: what each is, and where its buffers are.
 */
enum shape { SHAPE_NONE, SHAPE_BUFFER, SHAPE_IOV, SHAPE_MESSAGE, SHAPE_MESSAGES, SHAPE_COUNT };

#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

#define NR_SENDFILE 40
#define NR_SPLICE 275
#define OP(shape, dir) ((shape) << 1 | (dir))

static __always_inline u32 operation(u64 nr) {
    switch (nr) {
    case 0: /* read */
    case 45: /* recvfrom */
        return OP(SHAPE_BUFFER, IN);
    case 1: /* write */
    case 44: /* sendto */
        return OP(SHAPE_BUFFER, OUT);
    case 19: /* readv */
    case 327: /* preadv2 */
        return OP(SHAPE_IOV, IN);
    case 20: /* writev */
    case 328: /* pwritev2 */
        return OP(SHAPE_IOV, OUT);
    case 46: /* sendmsg */
        return OP(SHAPE_MESSAGE, OUT);
    case 47: /* recvmsg */
        return OP(SHAPE_MESSAGE, IN);
    case 299: /* recvmmsg */
        return OP(SHAPE_MESSAGES, IN);
    case 307: /* sendmmsg */
        return OP(SHAPE_MESSAGES, OUT);
    case NR_SENDFILE:
    case NR_SPLICE:
        return OP(SHAPE_COUNT, OUT);
    default:
        return 0;
    }
}

/* recv flags that do not consume, or do not copy. */
static __always_inline u64 receive_flags(const struct saved *regs) {
    return regs->nr == 45 ? regs->r10 : regs->nr == 47 ? regs->dx : 0;
}

#define EMPTY_BUFFERS 64

/* Sets up the walk over the buffers of a call of `n` bytes. Gives 0 when there is just one. */
static __always_inline int gather(struct walk *w, u32 shape, u64 n) {
    u64 argument = w->base;
    w->base = 0;
    if (shape == SHAPE_BUFFER) {
        w->base = argument;
        w->left = n;
        w->remaining = 0;
        return n > MAX_CHUNK;
    }
    w->iov = argument;
    if (shape == SHAPE_MESSAGE) {
        u64 pair[2] = {};
        bpf_probe_read_user(pair, sizeof pair, (void *)(argument + 16)); /* struct msghdr: msg_iov, msg_iovlen */
        w->iov = pair[0];
        w->iovs = pair[1];
    } else if (shape == SHAPE_MESSAGES) {
        w->iovs = 0;
        w->message = argument;
        next_buffer(w);
    }
    /* What the first bytes are decides what the connection is: pass over empty buffers. */
#pragma nounroll
    for (u32 i = 0; i < EMPTY_BUFFERS && !w->left; i++)
        if (!next_buffer(w))
            break;
    return w->left != n || n > MAX_CHUNK;
}

#define MOST_MESSAGES 1024 /* UIO_MAXIOV: the kernel passes no more at once */

/* sendmmsg and recvmmsg return how many messages they passed: add up their lengths. */
static __always_inline void add_up_messages(struct long_call *call) {
    struct record *header = &call->header;
    header->total = 0;
#pragma nounroll
    for (u32 i = 0; i < MOST_MESSAGES; i++) {
        u32 len = 0;
        if (i >= call->walk.messages)
            break;
        bpf_probe_read_user(&len, sizeof len, (void *)(call->walk.base + 64 * i + 56)); /* struct mmsghdr */
        header->total += len;
    }
}

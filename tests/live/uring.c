/*
 * A client that speaks HTTP through io_uring: uring PORT WAY [poll], or eight bytes of something else: uring PORT other [poll].
 * Raw system calls: liburing is not needed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int ring;
static struct io_uring_params params;
static char *submissions, *completions;
static struct io_uring_sqe *entries;

#define AT(base, offset) ((unsigned *)((base) + (offset)))

static void start(int polls) {
    params.flags = polls ? IORING_SETUP_SQPOLL : 0;
    params.sq_thread_idle = 1000;
    ring = syscall(__NR_io_uring_setup, 8, &params);
    if (ring < 0) {
        perror("io_uring_setup");
        exit(77);
    }
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    submissions = mmap(0, params.sq_off.array + 8 * 4, protection, flags, ring, IORING_OFF_SQ_RING);
    completions = mmap(0, params.cq_off.cqes + 16 * sizeof(struct io_uring_cqe), protection, flags, ring, IORING_OFF_CQ_RING);
    entries = mmap(0, 8 * sizeof(struct io_uring_sqe), protection, flags, ring, IORING_OFF_SQES);
}

static int run(struct io_uring_sqe entry) {
    unsigned tail = *AT(submissions, params.sq_off.tail), slot = tail & *AT(submissions, params.sq_off.ring_mask);
    entries[slot] = entry;
    AT(submissions, params.sq_off.array)[slot] = slot;
    __atomic_store_n(AT(submissions, params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    unsigned enter = IORING_ENTER_GETEVENTS | (params.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0);
    unsigned *head = AT(completions, params.cq_off.head);
    while (*head == __atomic_load_n(AT(completions, params.cq_off.tail), __ATOMIC_ACQUIRE))
        if (syscall(__NR_io_uring_enter, ring, 1, 1, enter, 0, 0) < 0) {
            perror("io_uring_enter");
            exit(1);
        }
    unsigned at = *head & *AT(completions, params.cq_off.ring_mask);
    struct io_uring_cqe *done = (struct io_uring_cqe *)(completions + params.cq_off.cqes) + at;
    int result = done->res, more = done->flags & IORING_CQE_F_MORE;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    if (more) { /* send_zc tells later that the buffer is free */
        while (*head == __atomic_load_n(AT(completions, params.cq_off.tail), __ATOMIC_ACQUIRE))
            syscall(__NR_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, 0, 0);
        __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    }
    if (result < 0) {
        fprintf(stderr, "operation %d: %s\n", entry.opcode, strerror(-result));
        exit(1);
    }
    return result;
}

static int pass(int fd, int opcode, char *data, int size) {
    struct iovec parts[2] = {{data, size / 3}, {data + size / 3, size - size / 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct io_uring_sqe entry = {.opcode = opcode, .fd = fd, .addr = (unsigned long)data, .len = size, .off = 0};
    if (opcode == IORING_OP_SENDMSG || opcode == IORING_OP_RECVMSG) {
        entry.addr = (unsigned long)&message;
        entry.len = 1;
    } else if (opcode == IORING_OP_READV || opcode == IORING_OP_WRITEV) {
        entry.addr = (unsigned long)parts;
        entry.len = 2;
    }
    return run(entry);
}

int main(int argc, char **argv) {
    static const int ways[][2] = {{IORING_OP_SEND, IORING_OP_RECV}, {IORING_OP_WRITE, IORING_OP_READ},
        {IORING_OP_SENDMSG, IORING_OP_RECVMSG}, {IORING_OP_WRITEV, IORING_OP_READV}, {IORING_OP_SEND_ZC, IORING_OP_RECV}};
    static char request[256], answer[1 << 20];
    int way = atoi(argv[2]), is_other = !strcmp(argv[2], "other"), fd = socket(AF_INET, SOCK_STREAM, 0), got = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    inet_aton("127.0.0.1", &address.sin_addr);
    start(argc > 3);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        return 1;
    int size = sprintf(request, "GET /?size=50000 HTTP/1.1\r\nHost: uring\r\nX-Id: way-%d\r\nConnection: close\r\n\r\n", way);
    if (is_other)
        size = sprintf(request, "\002no HTTP");
    if (pass(fd, ways[way][0], request, size) != size)
        return 2;
    for (int n; (n = pass(fd, ways[way][1], answer + got, sizeof answer - got)) > 0;)
        got += n;
    if (is_other)
        return got != 6;
    char *body = strstr(answer, "\r\n\r\n");
    return body && answer + got - body - 4 == 50000 ? 0 : 3;
}

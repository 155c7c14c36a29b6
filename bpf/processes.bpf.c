/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Processes: what a short-lived one was is told here, before it is gone; what was decided about one follows its children.
 */
#define ARGS_MAX 1024

/* The calls in progress of the thread that executed a program, under the number that it had until then, too. */
static __always_inline void forget_image(u32 tgid, u32 old_pid) {
    u64 now = bpf_get_current_pid_tgid(), before = (u64)tgid << 32 | old_pid;
    thread_calls.delete(&now);
    thread_calls.delete(&before);
    jvms.delete(&tgid);
    seekers.delete(&tgid);
}

/* sched_process_exec(task, old pid, struct linux_binprm *) */
int on_exec(struct bpf_raw_tracepoint_args *ctx) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    const struct config *c = settings();
    if (!c || tgid == c->own_tgid)
        return 0;
    forget_image(tgid, ctx->args[1]);
    struct seen_key none = {};
    tell_news(REC_EXEC, &none);
    u64 now = bpf_ktime_get_ns();
    u32 is_selected = 1, is_asked = 0;
    struct standing pending = {.exec = now, .is = {.policy = POLICY_PENDING}};
    if (c->chooses) {
        /* Asked also about one that was refused: what a refused shell starts may be wanted. */
        struct standing *known = standing_of(tgid);
        if (c->chooses & CHOOSES_SELECTED)
            is_selected = known && known->is.is_selected;
        pending.is.is_selected = is_selected;
        is_asked = !is_selected || c->chooses & CHOOSES_PROGRAMS;
        if (is_asked && policy.update(&tgid, &pending))
            count(COUNT_NO_SLOT, 1);
    }
    struct record *rec = bpf_ringbuf_reserve(RING, sizeof *rec + sizeof(struct exec_head) + ARGS_MAX + PATH_LEN + NAME_LEN, 0);
    if (!rec) {
        struct late late = {.header = {.type = REC_EXEC, .ts = now, .tgid = tgid, .pos = is_selected}};
        pending.is.policy = POLICY_UNASKED;
        if (is_asked)
            policy.update(&tgid, &pending);
        keep_late(&late, tgid, 0);
        return 0;
    }
    __builtin_memset(rec, 0, sizeof *rec + sizeof(struct exec_head));
    u64 task = bpf_get_current_task();
    struct exec_head *head = (void *)rec->data;
    rec->type = REC_EXEC;
    rec->ts = now;
    rec->tgid = tgid;
    u32 ppid = 0;
    bpf_probe_read_kernel(&ppid, sizeof ppid, (void *)(read_u64(task + OFF_TASK_REAL_PARENT) + OFF_TASK_TGID));
    head->ppid = ppid;
    head->uid = bpf_get_current_uid_gid();
    head->is_selected = is_selected;
    bpf_get_current_comm(head->comm, sizeof head->comm);
    u64 memory = read_u64(task + OFF_TASK_MM);
    if (walk_path(rec, sizeof *head + ARGS_MAX, read_u64(memory + OFF_MM_EXE_FILE)))
        head->path_len = rec->len;
    u64 start = read_u64(memory + OFF_MM_ARG_START);
    u64 length = read_u64(memory + OFF_MM_ARG_END) - start;
    if (length > ARGS_MAX)
        length = ARGS_MAX;
    if (!bpf_probe_read_user(rec->data + sizeof *head, length, (void *)start))
        head->args_len = length;
    rec->len = sizeof *head + ARGS_MAX + head->path_len;
    bpf_ringbuf_submit(rec, WAKEUP);
    return 0;
}

/* sched_process_exit(task): runs for every thread. */
int on_exit(struct bpf_raw_tracepoint_args *ctx) {
    u64 pid_tgid = bpf_get_current_pid_tgid();
    u32 tgid = pid_tgid >> 32;
    thread_calls.delete(&pid_tgid);
    /* The process ends with its last thread, which need not be the first one. Two that end at once may both see none left. */
    u32 live = 0;
    bpf_probe_read_kernel(&live, sizeof live, (void *)(read_u64(bpf_get_current_task() + OFF_TASK_SIGNAL) + OFF_SIGNAL_LIVE));
    if (live)
        return 0;
    policy.delete(&tgid);
    jvms.delete(&tgid);
    struct late end = {.header = {.type = REC_EXIT, .ts = bpf_ktime_get_ns(), .tgid = tgid}};
    tell_end(&end, sizeof end.header, tgid, 0);
    return 0;
}

/* sched_process_fork(parent, child) */
int on_fork(struct bpf_raw_tracepoint_args *ctx) {
    u32 parent = bpf_get_current_pid_tgid() >> 32;
    u32 child = 0;
    bpf_probe_read_kernel(&child, sizeof child, (void *)(ctx->args[1] + OFF_TASK_TGID));
    if (child == parent)
        return 0;
    const struct config *c = settings();
    if (!c || parent == c->own_tgid)
        return 0;
    if (c->chooses) {
        struct standing *standing = standing_of(parent);
        if (standing) {
            struct standing inherited = *standing;
            if (policy.update(&child, &inherited))
                count(COUNT_NO_SLOT, 1);
            if (inherited.is.policy == POLICY_DENY)
                return 0;
        } else {
            policy.delete(&child); /* of an earlier process of that number */
            if (c->chooses & CHOOSES_SELECTED)
                return 0;
        }
    }
    /* Until it runs a program of its own it is its parent's likeness, and it may be gone before anybody looks. */
    struct record h = {.type = REC_FORK, .ts = bpf_ktime_get_ns(), .tgid = child, .pos = parent};
    emit_bare(&h, 0);
    return 0;
}

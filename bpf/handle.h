/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * What is remembered of a TLS handle: made when it is heard of first, tied to its socket, and gone when the library frees it.
 */
/* What is known of its socket decides about a handle, which may have used another one before. */
static __always_inline void bind_socket(struct handle_state *state, struct socket_state *socket) {
    socket->is_bound = 1;
    if (socket->kind == KIND_IGNORED) {
        state->kind = KIND_IGNORED;
        return;
    }
    socket->kind = KIND_TLS;
    if (state->kind == KIND_IGNORED)
        state->kind = KIND_UNKNOWN;
}

/* A handle is heard of for the first time; `from_start`: no plaintext has passed through it yet. */
static __always_inline struct handle_state *new_handle(const struct handle_key *key, u8 from_start) {
    u32 zero = 0;
    struct handle_state *blank = blank_handle.lookup(&zero);
    if (!blank)
        return 0;
    if (!handles.insert((struct handle_key *)key, blank))
        count(COUNT_HANDLES, 1);
    struct handle_state *state = handles.lookup(key);
    if (!state) {
        count(COUNT_NO_SLOT, 1);
        return 0;
    }
    state->from_start = from_start;
    state->made = bpf_ktime_get_ns();
    return state;
}

static __always_inline struct handle_state *handle_state(const struct handle_key *key, u64 sk) {
    struct handle_state *state = handles.lookup(key);
    if (!state)
        state = new_handle(key, 0);
    struct sock_head head;
    /* Without remote port it was not connected yet. */
    if (!state || !sk || (state->sk == sk && state->remote_port) || read_sock_head(&head, sk))
        return state;
    if (HEAD_FAMILY(&head) != AF_INET && HEAD_FAMILY(&head) != AF_INET6)
        return state; /* a callback of the library used another socket, to log for example */
    u64 earlier = state->sk;
    struct socket_state *socket = sockets.lookup(&sk);
    if (socket && earlier && socket->opened > state->opened) { /* the end of the one that had this address was not seen */
        __builtin_memset(state, 0, sizeof *state);
        state->from_start = 1;
        state->made = bpf_ktime_get_ns();
    }
    state->sk = sk;
    PUT_ADDRESS(state, &head, sk);
    if (socket) {
        state->opened = socket->opened;
        bind_socket(state, socket);
        return state;
    }
    struct socket_state fresh = {.address = HEAD_ADDRESS(&head), .ports = HEAD_PORTS(&head), .kind = first_kind(&head, sk)};
    bind_socket(state, &fresh);
    keep_socket(sk, &fresh);
    return state;
}

static __always_inline void leave_socket(struct handle_state *state) {
    u64 sk = state->sk;
    struct socket_state *socket = sk ? sockets.lookup(&sk) : 0;
    state->sk = 0;
    state->family = 0;
    if (socket && socket->opened == state->opened) /* else the address is another connection's by now */
        socket->is_bound = 0;
}

/* A handle ends, if there is one: its address may be another's soon. */
static __always_inline int end_handle(const struct handle_key *key) {
    struct handle_state *state = handles.lookup(key);
    if (!state)
        return 0;
    struct late end = {
        .header = {
            .type = REC_CLOSE,
            .ts = bpf_ktime_get_ns(),
            .sk = state->sk,
            .handle = key->handle,
            .opened = state->opened,
            .tgid = key->tgid,
        },
    };
    if (is_http(state->kind) || state->kind == KIND_MUTED)
        tell_end(&end, sizeof end.header, key->handle, key->tgid);
    leave_socket(state);
    if (!handles.delete((struct handle_key *)key))
        count(COUNT_HANDLES, -1);
    return 0;
}

/* A handle begins at this address, whatever was there before. */
static __always_inline struct handle_state *begin_handle(const struct handle_key *key, u8 from_start) {
    end_handle(key);
    return new_handle(key, from_start);
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
 *
 * Recognising what a connection carries by the first bytes of a call.
 */
struct looks {
    u8 b[16];
};

static __always_inline int is_letter(u8 c) {
    c |= 0x20;
    return c >= 'a' && c <= 'z';
}

/* A request line up to its target: letters, '-' or '_', a space, then what a target begins with (RFC 9112 section 3). */
static __always_inline int looks_like_request(const struct looks *l, u32 n) {
    u32 i = 0;
#pragma unroll
    for (; i < 15; i++) {
        u8 c = l->b[i];
        if (i >= n)
            return i > 0; /* nothing but letters so far: it may become one */
        if (c == ' ') {
            u8 t = l->b[i + 1];
            if (i == 0)
                return 0;
            /* C: the authority of a CONNECT; PROXY: what a load balancer puts before the first request */
            return i + 1 >= n || t == '/' || t == '*' || (t | 0x20) == 'h' || l->b[0] == 'C' ||
                   (i == 5 && l->b[2] == 'O' && l->b[3] == 'X');
        }
        if (!is_letter(c) && c != '-' && c != '_')
            return 0;
    }
    return 0;
}

/* The signature of the PROXY protocol's version 2: \r\n\r\n\0\r\nQUIT\n */
static __always_inline int begins_binary_prefix(const struct looks *l) {
    return l->b[2] == '\r' && !l->b[4] && l->b[5] == '\r' && l->b[7] == 'Q' && l->b[10] == 'T';
}

static __always_inline int looks_like_head(const struct looks *l, u32 n) {
    if (l->b[0] == 'H' && l->b[1] == 'T' && l->b[2] == 'T' && l->b[3] == 'P' && l->b[4] == '/')
        return 1;
    if (l->b[0] == '\r' || l->b[0] == '\n')
        return n < 4 || is_letter(l->b[2]) || begins_binary_prefix(l);
    return looks_like_request(l, n);
}

/* The client's first bytes in HTTP/2 (RFC 9113 section 3.4), as far as they tell it from a request. */
static __always_inline int looks_like_preface(const struct looks *l, u32 n) {
    return n >= 5 && l->b[0] == 'P' && l->b[1] == 'R' && l->b[2] == 'I' && l->b[3] == ' ' && l->b[4] == '*';
}

/* The header of an HTTP/2 frame as a well-behaved peer sends it (RFC 9113 section 6); the server's first is SETTINGS. */
static __always_inline int looks_like_frame(const struct looks *l, u32 n, int first) {
    u32 length = l->b[0] << 16 | l->b[1] << 8 | l->b[2];
    u32 stream = (u32)l->b[5] << 24 | l->b[6] << 16 | l->b[7] << 8 | l->b[8];
    u8 flags = l->b[4];
    if (n < 9 || length > 1 << 20 || stream >> 31)
        return 0;
    switch (l->b[3]) {
    case 4: /* SETTINGS */
        return !stream && length % 6 == 0 && (!flags || (flags == 1 && !length && !first));
    case 0: /* DATA */
        return !first && stream && !(flags & ~0x09);
    case 1: /* HEADERS */
        return !first && stream && !(flags & ~0x2d);
    case 3: /* RST_STREAM */
        return !first && stream && !flags && length == 4;
    case 6: /* PING */
        return !first && !stream && flags <= 1 && length == 8;
    case 8: /* WINDOW_UPDATE */
        return !first && !flags && length == 4;
    default:
        return 0;
    }
}

static __always_inline int is_http(u8 kind) {
    return kind == KIND_HTTP || kind == KIND_HTTP2;
}

/* A TLS record header (RFC 8446 section 5.1). */
static __always_inline int looks_like_tls(const struct looks *l) {
    return l->b[0] >= 0x14 && l->b[0] <= 0x17 && l->b[1] == 3 && l->b[2] <= 4;
}

static __always_inline int read_looks(struct looks *l, u64 base, u64 n) {
    *l = (struct looks){};
    if (n >= sizeof l->b)
        return bpf_probe_read_user(l->b, sizeof l->b, (void *)base);
    asm volatile("%0 &= 15" : "+r"(n));
    return bpf_probe_read_user(l->b, n, (void *)base);
}

static __always_inline int begins_head(const struct stream *stream, u64 base, u64 n) {
    struct looks looks;
    return stream->in_head || (!read_looks(&looks, base, n) && looks_like_head(&looks, n));
}

static __always_inline u8 kind_of(u64 base, u64 n, struct stream *stream, u8 from_start, u8 may_be_tls) {
    struct looks looks;
    if (read_looks(&looks, base, n))
        return KIND_UNKNOWN;
    if (may_be_tls && looks_like_tls(&looks))
        return KIND_TLS;
    if (looks_like_preface(&looks, n))
        return KIND_HTTP2;
    if (looks_like_head(&looks, n))
        return KIND_HTTP;
    if (looks_like_frame(&looks, n, from_start))
        return KIND_HTTP2;
    if (from_start || ++stream->looks >= LOOKS_BEFORE_OTHER)
        return KIND_OTHER;
    return KIND_UNKNOWN;
}

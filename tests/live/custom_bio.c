/* An HTTPS client with a BIO of its own over memory: `custom PORT` connects, then asks as often as each line of stdin says. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char input[1 << 17], output[1 << 17];
static int have, pending, fd;

static int take(BIO *bio, char *to, int size) {
    int n = have < size ? have : size;
    BIO_clear_retry_flags(bio);
    if (!n) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, input, n);
    memmove(input, input + n, have -= n);
    return n;
}

static int put(BIO *bio, const char *from, int n) {
    memcpy(output + pending, from, n);
    pending += n;
    return n;
}

static long control(BIO *bio, int command, long number, void *pointer) { return command == BIO_CTRL_FLUSH; }

/* Carries the ciphertext after a call of the library that wants more, or has said something. */
static int carry(SSL *ssl, int result) {
    if (pending && write(fd, output, pending) != pending)
        exit(3);
    pending = 0;
    if (result > 0 || SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
        return 0;
    int n = read(fd, input + have, sizeof input - have);
    if (n <= 0)
        exit(4);
    have += n;
    return 1;
}

static void ask(SSL *ssl, int number) {
    char text[4096];
    int n, got = 0, length = snprintf(text, sizeof text, "GET /custom-%d?size=500 HTTP/1.1\r\nHost: a\r\nX-Id: custom-%d\r\n\r\n", number, number);
    while (carry(ssl, SSL_write(ssl, text, length)))
        ;
    for (;;) {
        do
            n = SSL_read(ssl, text + got, sizeof text - 1 - got);
        while (carry(ssl, n));
        if (n <= 0)
            exit(5);
        text[got += n] = 0;
        char *end = strstr(text, "\r\n\r\n");
        if (end && got >= end + 4 - text + 500)
            return;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "custom");
    BIO_meth_set_read(method, take);
    BIO_meth_set_write(method, put);
    BIO_meth_set_ctrl(method, control);
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    BIO *bio = BIO_new(method);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        return 1;
    while (carry(ssl, SSL_connect(ssl)))
        ;
    int count, number = 0;
    puts("open");
    fflush(stdout);
    while (scanf("%d", &count) == 1) {
        while (count--)
            ask(ssl, number++);
        puts("asked");
        fflush(stdout);
    }
    return 0;
}

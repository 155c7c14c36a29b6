/*
 * An HTTPS client whose connections all have a TLS handle at one address: `reused PORT HOW COUNT [FIRST]`. On each it asks once, whole,
 * then begins a request and leaves. HOW: "clear" takes the handle again after SSL_clear, "bio" gives it new BIOs, "exec" begins the
 * program anew after each, which without address randomization has its handle at the same place.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(SSL *ssl, const char *text) {
    if (SSL_write(ssl, text, strlen(text)) <= 0)
        exit(2);
}

static void answered(SSL *ssl) {
    char text[4096];
    int n, have = 0;
    while ((n = SSL_read(ssl, text + have, sizeof text - 1 - have)) > 0) {
        text[have += n] = 0;
        char *end = strstr(text, "\r\n\r\n");
        if (end && have >= end + 4 - text + 500)
            return;
    }
    exit(3);
}

static void use(SSL *ssl, int port, int number) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[256];
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        exit(4);
    BIO *bio = BIO_new_socket(fd, BIO_CLOSE);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    snprintf(text, sizeof text, "GET /%d?size=500 HTTP/1.1\r\nHost: a\r\nX-Id: reused-%d\r\n\r\n", number, number);
    say(ssl, text);
    answered(ssl);
    say(ssl, "POST /half HTTP/1.1\r\nHost: a\r\nX-Id: half\r\nContent-Length: 100000\r\n\r\nthe beginning");
    shutdown(fd, SHUT_RDWR);
}

int main(int count, char **argument) {
    int first = count > 4 ? atoi(argument[4]) : 0, last = atoi(argument[3]) - 1;
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    for (int number = first; number <= last; number++) {
        use(ssl, atoi(argument[1]), number);
        if (!strcmp(argument[2], "clear"))
            SSL_clear(ssl);
        if (!strcmp(argument[2], "exec") && number < last) {
            char next[16];
            snprintf(next, sizeof next, "%d", number + 1);
            close(SSL_get_fd(ssl));
            execl("/proc/self/exe", argument[0], argument[1], argument[2], argument[3], next, NULL);
        }
    }
    return 0;
}

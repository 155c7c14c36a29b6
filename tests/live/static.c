/* An HTTPS client with OpenSSL in its own file: `static PORT COUNT` connects, writes a line, waits for
 * one, and asks COUNT times. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int answered(SSL *ssl) {
    char text[4096];
    int have = 0;
    while (have < (int)sizeof text - 1) {
        char ahead;
        if (SSL_peek(ssl, &ahead, 1) != 1) /* a look ahead passes no bytes */
            return 0;
        int n = SSL_read(ssl, text + have, (int)sizeof text - 1 - have);
        if (n <= 0)
            return 0;
        text[have += n] = 0;
        char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end && length && have >= end + 4 - text + atoi(length + 16))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    if (argc < 3 || connect(fd, (struct sockaddr *)&to, sizeof to) || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
        return 1;
    puts("open");
    fflush(stdout);
    getchar();
    for (int i = 0; i < atoi(argv[2]); i++) {
        char request[128];
        int n = snprintf(request, sizeof request, "GET /static-%d?size=500 HTTP/1.1\r\nHost: localhost\r\nX-Id: static-%d\r\n\r\n", i, i);
        if (SSL_write(ssl, request, n) != n || !answered(ssl))
            return 2;
    }
    SSL_free(ssl);
    close(fd);
    return 0;
}

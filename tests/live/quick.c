/* A client that is gone within a millisecond: quick PORT ID [COUNT], each request on a connection of its own. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **argument) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argument[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char text[4096];
    for (int i = 0; i < (count > 3 ? atoi(argument[3]) : 1); i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(s, (struct sockaddr *)&to, sizeof to))
            return 1;
        int n = sprintf(text, "GET /quick?size=3 HTTP/1.1\r\nHost: a\r\nX-Id: %s\r\nConnection: close\r\n\r\n", argument[2]);
        if (write(s, text, n) != n)
            return 2;
        while (read(s, text, sizeof text) > 0)
            ;
        close(s);
    }
    return 0;
}

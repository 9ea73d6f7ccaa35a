/* Connects to 127.0.0.1:PORT, asks once with 100 bytes, reads 300 and is gone: short [WORD]... PORT. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words) {
    static char buffer[300];
    struct sockaddr_in address = {.sin_family = AF_INET};
    int end = socket(AF_INET, SOCK_STREAM, 0), left = 300;
    if (count < 2) return 2;
    address.sin_port = htons(atoi(words[count - 1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(end, (struct sockaddr *)&address, sizeof address)) return 3;
    if (write(end, buffer, 100) != 100) return 4;
    while (left > 0) {
        int got = read(end, buffer, left);
        if (got <= 0) return 5;
        left -= got;
    }
    return 0;
}

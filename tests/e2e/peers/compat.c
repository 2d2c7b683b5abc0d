/* Writes to a connection, and in between asks the kernel by the gate of 32-bit programs: compat PORT.
   Number 3 is a read there; among the calls of 64-bit programs it is a close, whose descriptor stands in rdi. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static long gate(long number, long descriptor)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(descriptor), "c"(0L), "d"(0L), "D"(descriptor), "S"(0L)
                     : "r8", "r9", "r10", "r11", "memory");
    return result;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    getchar(); /* until it is watched */
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&to, sizeof to))
        return 1;
    for (int i = 0; i < 3; i++) {
        if (write(s, "hello\n", 6) != 6)
            return 1;
        /* Nothing is asked for, so nothing comes. */
        if (gate(3, s) != 0) {
            fprintf(stderr, "this kernel has no gate for 32-bit programs\n");
            return 2;
        }
    }
    return close(s) != 0;
}

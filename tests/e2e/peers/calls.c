/* Functions that call each other, and what really happened: a line for each call when it is over, with its name, its thread,
 * and when it began and ended (CLOCK_BOOTTIME, nanoseconds).
 *
 *   calls ROUNDS     each round: serve() calls script() twice, and script() calls query(); two threads do so at once
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void pause_for(long microseconds) {
    struct timespec time = {0, microseconds * 1000};
    nanosleep(&time, NULL);
}

static void told(const char *name, uint64_t start) {
    printf("%s %ld %llu %llu\n", name, (long)syscall(SYS_gettid), (unsigned long long)start, (unsigned long long)now());
}

__attribute__((noipa)) int query(int depth) {
    uint64_t start = now();
    pause_for(500);
    int below = depth > 0 ? query(depth - 1) : 0;
    told("query", start);
    return below + 1;
}

__attribute__((noipa)) int script(int number) {
    uint64_t start = now();
    int asked = query(number);
    pause_for(1000);
    told("script", start);
    return asked;
}

__attribute__((noipa)) int serve(int round) {
    uint64_t start = now();
    pause_for(300);
    int asked = script(0) + script(round % 3);
    told("serve", start);
    return asked;
}

static void wait_for_line(void) {
    char line[16];
    if (!fgets(line, sizeof line, stdin)) {
        exit(1);
    }
}

static void *rounds(void *count) {
    for (int round = 0; round < *(int *)count; round++) {
        serve(round);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t threads[2];
    /* Whoever watches looks for libraries and functions first. */
    printf("ready\n");
    fflush(stdout);
    wait_for_line();
    for (int each = 0; each < 2; each++) {
        pthread_create(&threads[each], NULL, rounds, &count);
    }
    for (int each = 0; each < 2; each++) {
        pthread_join(threads[each], NULL);
    }
    printf("done\n");
    fflush(stdout);
    wait_for_line();
    return 0;
}

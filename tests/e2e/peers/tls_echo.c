// A TLS server with a pre-shared key that answers every message with the same in capitals.
//
// A message is its length, four bytes in network order, and so many bytes. First line on stdout: "listening on 127.0.0.1:PORT".
//
//   tls_echo IDENTITY KEY CIPHERS [threads|fork|memory|partial|retry|peek] [seccomp]
//
// memory: the library never sees the socket. partial: the library may accept a part of a write. retry: a write that would
// block is repeated. peek: every read is preceded by a peek.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum model { THREADS, FORK, MEMORY, PARTIAL, RETRY, PEEK };
static enum model model;
static const char *identity_wanted;
static unsigned char key[64];
static unsigned key_len;
static SSL_CTX *context;

struct connection {
    int fd;
    SSL *ssl;
    BIO *in, *out;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static unsigned psk(SSL *ssl, const char *identity, unsigned char *out, unsigned max) {
    (void)ssl;
    if (strcmp(identity, identity_wanted) != 0 || key_len > max) return 0;
    memcpy(out, key, key_len);
    return key_len;
}

static int wait_for(int fd, short events) {
    struct pollfd one = {.fd = fd, .events = events};
    return poll(&one, 1, 10000) == 1;
}

// With memory BIOs: what the library has to send, and what it wants to read.
static int flush(struct connection *c) {
    char buffer[20000];
    int n;
    while ((n = BIO_read(c->out, buffer, sizeof buffer)) > 0)
        for (int done = 0; done < n;) {
            ssize_t sent = send(c->fd, buffer + done, n - done, MSG_NOSIGNAL);
            if (sent <= 0) return 0;
            done += sent;
        }
    return 1;
}

static int fill(struct connection *c) {
    char buffer[20000];
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    return n > 0 && BIO_write(c->in, buffer, n) == n;
}

// Whether a call that ended with this result is to be made again.
static int again(struct connection *c, int result) {
    int error = SSL_get_error(c->ssl, result);
    if (model == MEMORY && !flush(c)) return 0;
    if (error == SSL_ERROR_WANT_READ) return model == MEMORY ? fill(c) : wait_for(c->fd, POLLIN);
    if (error == SSL_ERROR_WANT_WRITE) return wait_for(c->fd, POLLOUT);
    return 0;
}

static int take(struct connection *c, char *into, size_t len) {
    for (size_t done = 0; done < len;) {
        char ahead[8];
        if (model == PEEK) (void)SSL_peek(c->ssl, ahead, sizeof ahead);
        // Both forms.
        size_t part = 0;
        int result;
        if (len % 2) {
            result = SSL_read_ex(c->ssl, into + done, len - done, &part);
        } else {
            result = SSL_read(c->ssl, into + done, (int)(len - done));
            part = result > 0 ? (size_t)result : 0;
        }
        if (part == 0 && !again(c, result)) return 0;
        done += part;
    }
    return 1;
}

static int give(struct connection *c, const char *from, size_t len) {
    for (size_t done = 0; done < len;) {
        size_t part = 0;
        int result;
        if (len % 2) {
            result = SSL_write_ex(c->ssl, from + done, len - done, &part);
        } else {
            result = SSL_write(c->ssl, from + done, (int)(len - done));
            part = result > 0 ? (size_t)result : 0;
        }
        if (part == 0 && !again(c, result)) return 0;
        done += part;
        if (model == MEMORY && !flush(c)) return 0;
    }
    return 1;
}

static void serve(int fd) {
    struct connection c = {.fd = fd, .ssl = SSL_new(context)};
    int yes = 1, small = 4096;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (model == MEMORY) {
        c.in = BIO_new(BIO_s_mem());
        c.out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(c.in, -1);
        SSL_set_bio(c.ssl, c.in, c.out);
    } else {
        SSL_set_fd(c.ssl, fd);
    }
    if (model == PARTIAL || model == RETRY) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
    if (model == PARTIAL) SSL_set_mode(c.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int result;
    while ((result = SSL_accept(c.ssl)) != 1)
        if (!again(&c, result)) goto end;
    if (model == MEMORY && !flush(&c)) goto end;
    unsigned char head[4];
    while (take(&c, (char *)head, sizeof head)) {
        size_t len = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
        if (len > 1 << 24) break;
        char *message = malloc(4 + len);
        memcpy(message, head, 4);
        int good = take(&c, message + 4, len);
        for (size_t i = 4; i < 4 + len; i++)
            if (message[i] >= 'a' && message[i] <= 'z') message[i] -= 'a' - 'A';
        good = good && give(&c, message, 4 + len);
        free(message);
        if (!good) break;
    }
end:
    SSL_free(c.ssl);
    close(fd);
}

static void *serve_in_thread(void *fd) {
    serve((int)(size_t)fd);
    return NULL;
}

// Every call that is not listed ends the process.
static void confine(void) {
    // Another arena asks for the number of processors, in a file.
    mallopt(M_ARENA_MAX, 1);
    static const int allowed[] = {SYS_read, SYS_write, SYS_close, SYS_accept4, SYS_accept, SYS_poll, SYS_mmap, SYS_munmap,
        SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq, SYS_gettid,
        SYS_getpid, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigaction, SYS_exit, SYS_exit_group, SYS_setsockopt,
        SYS_getrandom, SYS_sendto, SYS_recvfrom, SYS_fcntl, SYS_clock_gettime, SYS_sched_yield, SYS_getpeername};
    struct sock_filter program[4 + 2 * 64];
    size_t n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog whole = {.len = (unsigned short)n, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole)) die("seccomp");
}

int main(int argc, char **argv) {
    static const char *models[] = {"threads", "fork", "memory", "partial", "retry", "peek"};
    if (argc < 5) return 2;
    identity_wanted = argv[1];
    for (const char *hex = argv[2]; hex[0] && hex[1] && key_len < sizeof key; hex += 2) {
        unsigned byte;
        sscanf(hex, "%2x", &byte);
        key[key_len++] = (unsigned char)byte;
    }
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(argv[4], models[i]) == 0) model = (enum model)i;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_psk_server_callback(context, psk);
    if (strcmp(argv[3], "TLS1.3") == 0) {
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    } else {
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        if (!SSL_CTX_set_cipher_list(context, argv[3])) return 3;
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 256) || getsockname(listener, (void *)&at, &size))
        die("listen");
    printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    if (argc > 5 && strcmp(argv[5], "seccomp") == 0) confine();
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            if (errno == EINTR) continue;
            die("accept");
        }
        if (model == FORK) {
            pid_t child = fork();
            if (child == 0) {
                close(listener);
                // Time for whoever wants to look on from the beginning.
                poll(NULL, 0, 300);
                serve(fd);
                _exit(0);
            }
            close(fd);
            continue;
        }
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_in_thread, (void *)(size_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
}

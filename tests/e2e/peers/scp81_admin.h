/* What the administration servers in C share: command line, connections, and the HTTP side of SCP81 (GPC_SPE_011 §3).
 *
 * The Next-URI says how many scripts are left, so that a card that resumes on a new connection goes on where it was.
 * A server includes this once, defines serve_connection, and calls admin_main. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ADMIN_PROTOCOL "globalplatform-remote-admin/1.0"
#define ADMIN_COMMAND_TYPE "application/vnd.globalplatform.card-content-mgt;version=1.0"
#define ADMIN_SCRIPT "80F24002024F0000,80CA006600,00A4040C07A0000000871002"
#define ADMIN_STEP "/lab/scripts/"
#define ADMIN_MOST_SCRIPT (64 << 10)
/* A request: a head, and the body behind it. */
#define ADMIN_MOST_REQUEST (1 << 20)

struct admin_options {
    int port, exchanges, chunked, fork, max_seconds;
    const char *keyfile, *script, *ciphers;
};

/* How a library moves plaintext: bytes moved, 0 at the end, negative when it cannot. */
struct admin_io {
    void *session;
    ssize_t (*read)(void *session, void *bytes, size_t size);
    ssize_t (*write)(void *session, const void *bytes, size_t size);
};

static struct admin_options admin_chosen = {0, 1, 0, 0, 120, NULL, ADMIN_SCRIPT, NULL};
static unsigned char admin_script[ADMIN_MOST_SCRIPT];
static size_t admin_script_size;

/* The library's part of a connection, from the handshake on. */
static void serve_connection(int connection);

static void admin_fail(const char *why)
{
    fprintf(stderr, "error: %s\n", why);
    exit(1);
}

static int admin_hex(const char *text, size_t digits, unsigned char *out)
{
    for (size_t at = 0; at + 1 < digits; at += 2) {
        char pair[3] = {text[at], text[at + 1], 0}, *end;
        out[at / 2] = (unsigned char)strtoul(pair, &end, 16);
        if (*end)
            return -1;
    }
    return digits % 2 ? -1 : (int)(digits / 2);
}

/* AE 80 {22 length C-APDU}… 00 00 (TS 102 226 §5.2.1). */
static void admin_build_script(const char *text)
{
    unsigned char *out = admin_script, apdu[0x8000];
    *out++ = 0xAE;
    *out++ = 0x80;
    while (*text) {
        size_t digits = strcspn(text, ",");
        int size = digits / 2 <= sizeof apdu ? admin_hex(text, digits, apdu) : -1;
        if (size < 0 || (size_t)(out - admin_script) + size + 8 > sizeof admin_script)
            admin_fail("--script is HEX,HEX… and not longer than 64 KiB");
        *out++ = 0x22;
        if (size > 0xFF) {
            *out++ = 0x82;
            *out++ = size >> 8;
        } else if (size > 0x7F) {
            *out++ = 0x81;
        }
        *out++ = size & 0xFF;
        memcpy(out, apdu, size);
        out += size;
        text += digits + (text[digits] == ',');
    }
    *out++ = 0;
    *out++ = 0;
    admin_script_size = out - admin_script;
}

/* Where a chunked body ends, counted from its start; 0 when it is not whole, -1 when it is none. */
static ssize_t admin_after_chunks(const char *body, size_t size)
{
    size_t at = 0;
    for (;;) {
        const char *line = memmem(body + at, size - at, "\r\n", 2);
        if (!line)
            return 0;
        char *end;
        size_t chunk = strtoul(body + at, &end, 16);
        if (end == body + at || chunk > ADMIN_MOST_REQUEST)
            return -1;
        at = line - body + 2 + chunk + 2;
        if (at > size)
            return 0;
        if (chunk == 0)
            return at;
    }
}

/* The value of a header within a head that ends in an empty line. */
static const char *admin_header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return NULL;
}

/* The size of the request at the start of the buffer; 0 when it is not whole, -1 when it is none. */
static ssize_t admin_request(const char *buffer, size_t size)
{
    const char *end = memmem(buffer, size, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (strncmp(buffer, "POST ", 5))
        return -1;
    size_t head = end + 4 - buffer;
    const char *coding = admin_header(buffer, "Transfer-Encoding");
    if (coding && !strncasecmp(coding, "chunked", 7)) {
        ssize_t body = admin_after_chunks(end + 4, size - head);
        return body > 0 ? (ssize_t)head + body : body;
    }
    const char *length = admin_header(buffer, "Content-Length");
    size_t whole = head + (length ? strtoul(length, NULL, 10) : 0);
    if (whole > ADMIN_MOST_REQUEST)
        return -1;
    return whole <= size ? (ssize_t)whole : 0;
}

static int admin_write(struct admin_io *io, const void *bytes, size_t size)
{
    for (const char *at = bytes; size;) {
        ssize_t done = io->write(io->session, at, size);
        if (done <= 0)
            return -1;
        at += done;
        size -= done;
    }
    return 0;
}

/* Answers one request; 1 when it was the last, -1 when it cannot. */
static int admin_answer(struct admin_io *io, const char *request)
{
    static const char gone[] = "HTTP/1.1 204 No Content\r\nX-Admin-Protocol: " ADMIN_PROTOCOL "\r\n\r\n";
    const char *uri = request + 5;
    long left = admin_chosen.exchanges;
    if (!strncmp(uri, ADMIN_STEP, strlen(ADMIN_STEP)))
        left = strtol(uri + strlen(ADMIN_STEP), NULL, 10) - 1;
    if (left <= 0)
        return admin_write(io, gone, sizeof gone - 1) ? -1 : 1;
    /* In chunks of 16 bytes it grows by less than half, and by the last. */
    size_t room = 512 + 2 * admin_script_size, size;
    char *out = malloc(room), framing[64];
    if (!out)
        return -1;
    snprintf(framing, sizeof framing, admin_chosen.chunked ? "Transfer-Encoding: chunked" : "Content-Length: %zu",
             admin_script_size);
    size = snprintf(out, room,
                    "HTTP/1.1 200 OK\r\nX-Admin-Protocol: " ADMIN_PROTOCOL "\r\nX-Admin-Next-URI: " ADMIN_STEP "%ld\r\n"
                    "Content-Type: " ADMIN_COMMAND_TYPE "\r\nX-Admin-Targeted-Application: //aid/A000000151/000000\r\n"
                    "%s\r\n\r\n",
                    left, framing);
    for (size_t at = 0; at < admin_script_size;) {
        size_t piece = admin_script_size - at;
        if (admin_chosen.chunked) {
            piece = piece < 16 ? piece : 16;
            size += snprintf(out + size, room - size, "%zx\r\n", piece);
        }
        memcpy(out + size, admin_script + at, piece);
        size += piece;
        at += piece;
        if (admin_chosen.chunked)
            size += snprintf(out + size, room - size, "\r\n");
    }
    if (admin_chosen.chunked)
        size += snprintf(out + size, room - size, "0\r\n\r\n");
    int failed = admin_write(io, out, size);
    free(out);
    return failed;
}

/* The whole conversation of one connection; 0 when the 204 is out. */
static int admin_talk(struct admin_io *io)
{
    char *buffer = malloc(ADMIN_MOST_REQUEST + 1);
    size_t size = 0;
    int outcome = buffer ? 0 : -1;
    while (!outcome) {
        ssize_t request;
        while (!outcome && (buffer[size] = 0, request = admin_request(buffer, size)) > 0) {
            outcome = admin_answer(io, buffer);
            memmove(buffer, buffer + request, size - request);
            size -= request;
        }
        if (outcome || request < 0 || size == ADMIN_MOST_REQUEST)
            break;
        ssize_t more = io->read(io->session, buffer + size, ADMIN_MOST_REQUEST - size < 4096 ? ADMIN_MOST_REQUEST - size : 4096);
        outcome = more > 0 ? 0 : -1;
        size += more > 0 ? more : 0;
    }
    free(buffer);
    return outcome == 1 ? 0 : -1;
}

static void *admin_thread(void *connection)
{
    serve_connection((int)(long)connection);
    return NULL;
}

static void admin_hand_over(int listener, int connection)
{
    if (admin_chosen.fork) {
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            serve_connection(connection);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
        close(connection);
        return;
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, admin_thread, (void *)(long)connection)) {
        perror("pthread_create");
        close(connection);
        return;
    }
    pthread_detach(thread);
}

static void admin_options(int count, char **words, const char *ciphers)
{
    static const struct option known[] = {
        {"exchanges", 1, 0, 'e'}, {"script", 1, 0, 's'},      {"chunked", 0, 0, 'c'}, {"ciphers", 1, 0, 'l'},
        {"fork", 0, 0, 'f'},      {"max-seconds", 1, 0, 'm'}, {0, 0, 0, 0},
    };
    admin_chosen.ciphers = ciphers;
    for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;) {
        switch (option) {
        case 'e': admin_chosen.exchanges = atoi(optarg); break;
        case 's': admin_chosen.script = optarg; break;
        case 'c': admin_chosen.chunked = 1; break;
        case 'l': admin_chosen.ciphers = optarg; break;
        case 'f': admin_chosen.fork = 1; break;
        case 'm': admin_chosen.max_seconds = atoi(optarg); break;
        default: exit(2);
        }
    }
    if (count - optind != 2) {
        fprintf(stderr,
                "usage: %s PORT KEYFILE [--exchanges N] [--script HEX,HEX…] [--chunked] [--ciphers LIST] [--fork] "
                "[--max-seconds N]\n",
                words[0]);
        exit(2);
    }
    admin_chosen.port = atoi(words[optind]);
    admin_chosen.keyfile = words[optind + 1];
    admin_build_script(admin_chosen.script);
}

/* Accepts until the time is over. */
static int admin_serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(admin_chosen.port)};
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 128) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        admin_fail(strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (time_t until = time(NULL) + admin_chosen.max_seconds; time(NULL) <= until;) {
        struct pollfd wanted = {listener, POLLIN, 0};
        if (poll(&wanted, 1, 200) <= 0)
            continue;
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            continue;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        admin_hand_over(listener, connection);
    }
    return 0;
}

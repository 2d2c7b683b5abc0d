// tls_echo with wolfSSL: one connection after the other.
//
//   echo_wolfssl IDENTITY KEY
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static const char *identity_wanted;
static unsigned char key[64];
static unsigned key_len;

static unsigned psk(WOLFSSL *ssl, const char *identity, unsigned char *out, unsigned max) {
    (void)ssl;
    if (strcmp(identity, identity_wanted) != 0 || key_len > max) return 0;
    memcpy(out, key, key_len);
    return key_len;
}

static int take(WOLFSSL *ssl, unsigned char *into, size_t len) {
    for (size_t done = 0; done < len;) {
        int n = wolfSSL_read(ssl, into + done, (int)(len - done));
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    identity_wanted = argv[1];
    for (const char *hex = argv[2]; hex[0] && hex[1] && key_len < sizeof key; hex += 2) {
        unsigned byte;
        sscanf(hex, "%2x", &byte);
        key[key_len++] = (unsigned char)byte;
    }
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLSv1_2_server_method());
    wolfSSL_CTX_set_psk_server_callback(context, psk);
    if (wolfSSL_CTX_set_cipher_list(context, "ECDHE-PSK-AES128-CBC-SHA256") != WOLFSSL_SUCCESS) return 3;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 64) || getsockname(listener, (void *)&at, &size)) return 5;
    printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        WOLFSSL *ssl = wolfSSL_new(context);
        wolfSSL_set_fd(ssl, fd);
        unsigned char head[4];
        if (wolfSSL_accept(ssl) == WOLFSSL_SUCCESS)
            while (take(ssl, head, sizeof head)) {
                size_t len = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
                if (len > 1 << 24) break;
                unsigned char *message = malloc(4 + len);
                memcpy(message, head, 4);
                int good = take(ssl, message + 4, len);
                for (size_t i = 4; i < 4 + len; i++)
                    if (message[i] >= 'a' && message[i] <= 'z') message[i] -= 'a' - 'A';
                good = good && wolfSSL_write(ssl, message, (int)(4 + len)) == (int)(4 + len);
                free(message);
                if (!good) break;
            }
        wolfSSL_shutdown(ssl);
        wolfSSL_free(ssl);
        close(fd);
    }
}

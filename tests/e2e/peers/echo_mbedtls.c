// tls_echo with mbedTLS: one connection after the other.
//
//   echo_mbedtls IDENTITY KEY
#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int take(mbedtls_ssl_context *ssl, unsigned char *into, size_t len) {
    for (size_t done = 0; done < len;) {
        int n = mbedtls_ssl_read(ssl, into + done, len - done);
        if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

static int give(mbedtls_ssl_context *ssl, const unsigned char *from, size_t len) {
    for (size_t done = 0; done < len;) {
        int n = mbedtls_ssl_write(ssl, from + done, len - done);
        if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

int main(int argc, char **argv) {
    static const int suites[] = {MBEDTLS_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256, 0};
    if (argc < 3) return 2;
    unsigned char key[64];
    size_t key_len = 0;
    for (const char *hex = argv[2]; hex[0] && hex[1] && key_len < sizeof key; hex += 2) {
        unsigned byte;
        sscanf(hex, "%2x", &byte);
        key[key_len++] = (unsigned char)byte;
    }
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_config config;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_config_init(&config);
    if (mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0)
        || mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT))
        return 3;
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    if (mbedtls_ssl_conf_psk(&config, key, key_len, (const unsigned char *)argv[1], strlen(argv[1]))) return 4;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 64) || getsockname(listener, (void *)&at, &size)) return 5;
    printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    mbedtls_ssl_context ssl;
    mbedtls_ssl_init(&ssl);
    if (mbedtls_ssl_setup(&ssl, &config)) return 6;
    for (;;) {
        // One object for all connections.
        mbedtls_net_context net = {.fd = accept(listener, NULL, NULL)};
        mbedtls_ssl_session_reset(&ssl);
        mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
        unsigned char head[4];
        while (take(&ssl, head, sizeof head)) {
            size_t len = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
            if (len > 1 << 24) break;
            unsigned char *message = malloc(4 + len);
            memcpy(message, head, 4);
            int good = take(&ssl, message + 4, len);
            for (size_t i = 4; i < 4 + len; i++)
                if (message[i] >= 'a' && message[i] <= 'z') message[i] -= 'a' - 'A';
            good = good && give(&ssl, message, 4 + len);
            free(message);
            if (!good) break;
        }
        mbedtls_ssl_close_notify(&ssl);
        mbedtls_net_free(&net);
    }
}

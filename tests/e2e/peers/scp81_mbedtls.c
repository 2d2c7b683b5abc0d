/* An SCP81 administration server on Mbed TLS: mbedtls_ssl_read and mbedtls_ssl_write, with its own callbacks on a socket
 * that blocks.
 *
 *     cc -O2 -o scp81_mbedtls scp81_mbedtls.c -lmbedtls -lmbedx509 -lmbedcrypto -lpthread
 *
 * --ciphers is a list of the library's names: TLS-PSK-WITH-AES-128-CBC-SHA256,… */

#include "scp81_admin.h"
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#define MOST_KEYS 256
#define MOST_SUITES 16

struct key {
    char identity[256];
    unsigned char bytes[MBEDTLS_PSK_MAX_LEN];
    size_t size;
};

static struct key keys[MOST_KEYS];
static size_t key_count;
static int suites[MOST_SUITES + 1];

static void read_keys(void)
{
    char line[1024];
    FILE *file = fopen(admin_chosen.keyfile, "r");
    if (!file)
        admin_fail("the key file cannot be read");
    while (key_count < MOST_KEYS && fgets(line, sizeof line, file)) {
        struct key *key = &keys[key_count];
        line[strcspn(line, "\r\n")] = 0;
        char *colon = strrchr(line, ':');
        if (!colon || *line == '#')
            continue;
        *colon = 0;
        size_t digits = strlen(colon + 1);
        int size = digits / 2 <= sizeof key->bytes ? admin_hex(colon + 1, digits, key->bytes) : -1;
        if (size < 0 || strlen(line) >= sizeof key->identity)
            admin_fail("a line of the key file is not identity:hexkey");
        strcpy(key->identity, line);
        key->size = size;
        key_count++;
    }
    fclose(file);
}

static void read_suites(void)
{
    char *list = strdup(admin_chosen.ciphers), *rest = list;
    int count = 0;
    for (char *name; (name = strsep(&rest, ",")) && count < MOST_SUITES; count++) {
        suites[count] = mbedtls_ssl_get_ciphersuite_id(name);
        if (!suites[count]) {
            fprintf(stderr, "error: this Mbed TLS has not the suite %s\n", name);
            exit(1);
        }
    }
    free(list);
}

static int find_key(void *unused, mbedtls_ssl_context *tls, const unsigned char *identity, size_t size)
{
    (void)unused;
    for (size_t at = 0; at < key_count; at++)
        if (strlen(keys[at].identity) == size && !memcmp(keys[at].identity, identity, size))
            return mbedtls_ssl_set_hs_psk(tls, keys[at].bytes, keys[at].size);
    return -1;
}

static ssize_t read_plaintext(void *tls, void *bytes, size_t size)
{
    int done;
    do
        done = mbedtls_ssl_read(tls, bytes, size);
    while (done == MBEDTLS_ERR_SSL_WANT_READ || done == MBEDTLS_ERR_SSL_WANT_WRITE);
    return done == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : done;
}

static ssize_t write_plaintext(void *tls, const void *bytes, size_t size)
{
    int done;
    do
        done = mbedtls_ssl_write(tls, bytes, size);
    while (done == MBEDTLS_ERR_SSL_WANT_READ || done == MBEDTLS_ERR_SSL_WANT_WRITE);
    return done;
}

/* Everything is the connection's own, so that threads need no locks and children do not repeat each other's random numbers. */
static void serve_connection(int connection)
{
    mbedtls_net_context socket = {connection};
    mbedtls_ssl_context tls;
    mbedtls_ssl_config config;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_init(&tls);
    mbedtls_ssl_config_init(&config);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    int outcome = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    if (!outcome)
        outcome = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                              MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_psk_cb(&config, find_key, NULL);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    if (!outcome)
        outcome = mbedtls_ssl_setup(&tls, &config);
    if (!outcome) {
        mbedtls_ssl_set_bio(&tls, &socket, mbedtls_net_send, mbedtls_net_recv, NULL);
        do
            outcome = mbedtls_ssl_handshake(&tls);
        while (outcome == MBEDTLS_ERR_SSL_WANT_READ || outcome == MBEDTLS_ERR_SSL_WANT_WRITE);
    }
    if (outcome) {
        fprintf(stderr, "handshake: -0x%04x\n", -outcome);
    } else {
        struct admin_io io = {&tls, read_plaintext, write_plaintext};
        if (admin_talk(&io))
            fprintf(stderr, "the session broke off\n");
        mbedtls_ssl_close_notify(&tls);
    }
    mbedtls_net_free(&socket);
    mbedtls_ssl_free(&tls);
    mbedtls_ssl_config_free(&config);
    mbedtls_ctr_drbg_free(&random);
    mbedtls_entropy_free(&entropy);
}

int main(int count, char **words)
{
    admin_options(count, words, "TLS-PSK-WITH-AES-128-CBC-SHA256");
    read_keys();
    read_suites();
    return admin_serve();
}

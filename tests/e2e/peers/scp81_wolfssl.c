/* An SCP81 administration server on wolfSSL: wolfSSL_read and wolfSSL_write on a socket that blocks.
 *
 *     cc -O2 -o scp81_wolfssl scp81_wolfssl.c -lwolfssl -lpthread
 *
 * --ciphers is the library's list, whose names are like OpenSSL's; one that begins with TLS13 asks for TLS 1.3. */

#include "scp81_admin.h"
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static WOLFSSL_CTX *context;

static unsigned int find_key(WOLFSSL *unused, const char *identity, unsigned char *key, unsigned int room)
{
    (void)unused;
    char line[1024];
    unsigned int size = 0;
    FILE *file = fopen(admin_chosen.keyfile, "r");
    while (file && !size && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        char *colon = strrchr(line, ':');
        if (!colon || *line == '#')
            continue;
        *colon = 0;
        size_t digits = strlen(colon + 1);
        int bytes = strcmp(line, identity) || digits / 2 > room ? 0 : admin_hex(colon + 1, digits, key);
        size = bytes > 0 ? bytes : 0;
    }
    if (file)
        fclose(file);
    return size;
}

static ssize_t read_plaintext(void *tls, void *bytes, size_t size)
{
    return wolfSSL_read(tls, bytes, size);
}

static ssize_t write_plaintext(void *tls, const void *bytes, size_t size)
{
    return wolfSSL_write(tls, bytes, size);
}

static void serve_connection(int connection)
{
    WOLFSSL *tls = wolfSSL_new(context);
    if (!tls) {
        close(connection);
        return;
    }
    wolfSSL_set_fd(tls, connection);
    if (wolfSSL_accept(tls) != WOLFSSL_SUCCESS) {
        char words[WOLFSSL_MAX_ERROR_SZ];
        fprintf(stderr, "handshake: %s\n", wolfSSL_ERR_error_string(wolfSSL_get_error(tls, 0), words));
    } else {
        struct admin_io io = {tls, read_plaintext, write_plaintext};
        if (admin_talk(&io))
            fprintf(stderr, "the session broke off\n");
        wolfSSL_shutdown(tls);
    }
    wolfSSL_free(tls);
    close(connection);
}

int main(int count, char **words)
{
    admin_options(count, words, "ECDHE-PSK-AES128-CBC-SHA256");
    if (access(admin_chosen.keyfile, R_OK))
        admin_fail("the key file cannot be read");
    wolfSSL_Init();
    int newest = !strncmp(admin_chosen.ciphers, "TLS13", 5);
    context = wolfSSL_CTX_new(newest ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method());
    if (!context)
        admin_fail("no context");
    if (wolfSSL_CTX_set_cipher_list(context, admin_chosen.ciphers) != WOLFSSL_SUCCESS)
        admin_fail("this wolfSSL has not all of these suites");
    wolfSSL_CTX_set_psk_server_callback(context, find_key);
    return admin_serve();
}

/* An SCP81 administration server on GnuTLS: gnutls_record_recv and gnutls_record_send on a socket that blocks.
 *
 *     cc -O2 -o scp81_gnutls scp81_gnutls.c -lgnutls -lpthread
 *
 * --ciphers is a priority string. */

#include "scp81_admin.h"
#include <gnutls/gnutls.h>

static gnutls_psk_server_credentials_t credentials;
static gnutls_priority_t priority;

static ssize_t read_plaintext(void *session, void *bytes, size_t size)
{
    ssize_t done;
    do
        done = gnutls_record_recv(session, bytes, size);
    while (done == GNUTLS_E_INTERRUPTED || done == GNUTLS_E_AGAIN);
    return done;
}

static ssize_t write_plaintext(void *session, const void *bytes, size_t size)
{
    ssize_t done;
    do
        done = gnutls_record_send(session, bytes, size);
    while (done == GNUTLS_E_INTERRUPTED || done == GNUTLS_E_AGAIN);
    return done;
}

static void serve_connection(int connection)
{
    gnutls_session_t session;
    if (gnutls_init(&session, GNUTLS_SERVER)) {
        close(connection);
        return;
    }
    gnutls_priority_set(session, priority);
    gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials);
    gnutls_transport_set_int(session, connection);
    int outcome;
    do
        outcome = gnutls_handshake(session);
    while (outcome < 0 && !gnutls_error_is_fatal(outcome));
    if (outcome < 0) {
        fprintf(stderr, "handshake: %s\n", gnutls_strerror(outcome));
        gnutls_alert_send_appropriate(session, outcome);
    } else {
        struct admin_io io = {session, read_plaintext, write_plaintext};
        if (admin_talk(&io))
            fprintf(stderr, "the session broke off\n");
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    close(connection);
    gnutls_deinit(session);
}

int main(int count, char **words)
{
    const char *where;
    admin_options(count, words, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:+SHA256");
    if (gnutls_psk_allocate_server_credentials(&credentials) ||
        gnutls_psk_set_server_credentials_file(credentials, admin_chosen.keyfile))
        admin_fail("the key file cannot be read");
    if (gnutls_priority_init(&priority, admin_chosen.ciphers, &where)) {
        fprintf(stderr, "no priority string from here on: %s\n", where);
        return 1;
    }
    return admin_serve();
}

//! Every recorded connection, told from both ends.

use super::{Player, load};
use crate::observation::Role;

/// What was recorded, and what the server's side and the client's side of it must read like.
const RECORDED: [(&str, &str, &str); 45] = [
    (
        "gnutls12_ecdhe_client_crashed",
        "server ok TLS 1.2 TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 identity card-01 hint hint ems ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 identity card-01 hint hint ems ticket\nclosed handshake",
    ),
    (
        "gnutls12_no_common_suite",
        "server no_shared_cipher local | ClientHello → our alert 40 handshake_failure | TLS 1.2 1 offered\nclosed handshake",
        "client no_shared_cipher peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.2 1 offered\nclosed handshake",
    ),
    (
        "gnutls12_null",
        "server ok TLS 1.2 TLS_PSK_WITH_NULL_SHA identity card-01 ems ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_NULL_SHA identity card-01 ems ticket\nclosed handshake",
    ),
    (
        "gnutls12_ok",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
    ),
    (
        "gnutls12_old_version",
        "server protocol_version local | ClientHello → our alert 70 protocol_version | TLS 1.1 2 offered\nclosed handshake",
        "client protocol_version peer | ClientHello → the peer's alert 70 protocol_version | TLS 1.1 2 offered\nclosed handshake",
    ),
    (
        "gnutls12_unknown_identity",
        "server wrong_key local | client Finished → our alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
        "client wrong_key peer | client Finished → the peer's alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
    ),
    (
        "gnutls12_wrong_key",
        "server wrong_key local | client Finished → our alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
        "client wrong_key peer | client Finished → the peer's alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_256_GCM_SHA384 identity card-01 ems ticket\nclosed handshake",
    ),
    (
        "gnutls13_no_common_suite",
        "server no_shared_cipher local | ClientHello → our alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
        "client no_shared_cipher peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
    ),
    (
        "gnutls13_ok",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "gnutls13_unknown_identity",
        "server wrong_key local | ClientHello → our alert 47 illegal_parameter | TLS 1.3 21 offered identity card-01\nclosed handshake",
        "client wrong_key peer | ClientHello → the peer's alert 47 illegal_parameter | TLS 1.3 21 offered identity card-01\nclosed handshake",
    ),
    (
        "gnutls13_wrong_key",
        "server wrong_key local | ClientHello → our alert 47 illegal_parameter | TLS 1.3 21 offered identity card-01\nclosed handshake",
        "client wrong_key peer | ClientHello → the peer's alert 47 illegal_parameter | TLS 1.3 21 offered identity card-01\nclosed handshake",
    ),
    ("http", "closed not_tls http", "closed not_tls http"),
    (
        "lab12_unknown_identity",
        "server unknown_psk_identity local | client Finished → our alert 115 unknown_psk_identity | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client unknown_psk_identity peer | client Finished → the peer's alert 115 unknown_psk_identity | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket",
    ),
    (
        "lab13_ok",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "lab13_unknown_identity",
        "server unknown_psk_identity local | ClientHello → our alert 40 handshake_failure | TLS 1.3 57 offered identity card-01\nclosed handshake",
        "client unknown_psk_identity peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 57 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl11_ok",
        "server ok TLS 1.1 TLS_PSK_WITH_AES_128_CBC_SHA identity card-01 ems etm ticket\nclosed handshake",
        "client ok TLS 1.1 TLS_PSK_WITH_AES_128_CBC_SHA identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_cbc_sha256",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_client_offers_13",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_client_offers_13_wrong_key",
        "server wrong_key local | client Finished → our alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client wrong_key peer | client Finished → the peer's alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_dhe_psk_client_refuses",
        "server alert_40 peer | ServerHelloDone → the peer's alert 40 handshake_failure | TLS 1.2 TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 ems ticket\nclosed handshake",
        "client alert_40 local | ServerHelloDone → our alert 40 handshake_failure | TLS 1.2 TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 ems ticket\nclosed handshake",
    ),
    (
        "openssl12_ecdhe_hint",
        "server ok TLS 1.2 TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 identity card-01 hint lab-hint ems etm ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 identity card-01 hint lab-hint ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_gcm_mfl512",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_128_GCM_SHA256 identity card-01 ems ticket mfl 512\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_128_GCM_SHA256 identity card-01 ems ticket mfl 512\nclosed handshake",
    ),
    (
        "openssl12_no_common_suite",
        "server no_shared_cipher local | ClientHello → our alert 40 handshake_failure | TLS 1.2 3 offered\nclosed handshake",
        "client no_shared_cipher peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.2 3 offered\nclosed handshake",
    ),
    (
        "openssl12_null_resumed",
        "server ok TLS 1.2 TLS_PSK_WITH_NULL_SHA256 resumed ems etm\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_NULL_SHA256 resumed ems etm\nclosed handshake",
    ),
    (
        "openssl12_null_sha256",
        "server ok TLS 1.2 TLS_PSK_WITH_NULL_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_NULL_SHA256 identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl12_old_version",
        "server protocol_version local | ClientHello → our alert 70 protocol_version | TLS 1.1 37 offered\nclosed handshake",
        "client protocol_version peer | ClientHello → the peer's alert 70 protocol_version | TLS 1.1 37 offered\nclosed handshake",
    ),
    (
        "openssl12_resumed_session_id",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 resumed ems etm\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 resumed ems etm\nclosed handshake",
    ),
    (
        "openssl12_resumed_ticket",
        "server ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 resumed ems etm\nclosed handshake",
        "client ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 resumed ems etm\nclosed handshake",
    ),
    (
        "openssl12_rsa_certificate",
        "server ok TLS 1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 ems ticket\nclosed handshake",
        "client ok TLS 1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 ems ticket\nclosed handshake",
    ),
    (
        "openssl12_wrong_key",
        "server wrong_key local | client Finished → our alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
        "client wrong_key peer | client Finished → the peer's alert 20 bad_record_mac | TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01 ems etm ticket\nclosed handshake",
    ),
    (
        "openssl13_ccm8",
        "server ok TLS 1.3 TLS_AES_128_CCM_8_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_AES_128_CCM_8_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "openssl13_certificate",
        "server ok TLS 1.3 TLS_AES_256_GCM_SHA384\nclosed handshake",
        "client ok TLS 1.3 TLS_AES_256_GCM_SHA384\nclosed handshake",
    ),
    (
        "openssl13_client_only_psk_ke",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "openssl13_early_data",
        "server ok TLS 1.3 TLS_AES_256_GCM_SHA384 resumed\nclosed handshake",
        "client ok TLS 1.3 TLS_AES_256_GCM_SHA384 resumed\nclosed handshake",
    ),
    (
        "openssl13_hrr",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "openssl13_hrr_wrong_key",
        "server wrong_key local | ClientHello → our alert 47 illegal_parameter | TLS 1.3 4 offered identity card-01\nclosed handshake",
        "client wrong_key peer | ClientHello → the peer's alert 47 illegal_parameter | TLS 1.3 4 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl13_no_common_group",
        "server unknown_psk_identity local | ClientHello → our alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
        "client unknown_psk_identity peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl13_no_common_suite",
        "server unknown_psk_identity local | ClientHello → our alert 40 handshake_failure | TLS 1.3 2 offered identity card-01\nclosed handshake",
        "client unknown_psk_identity peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 2 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl13_no_common_suite_ccm",
        "server no_shared_cipher local | ClientHello → our alert 40 handshake_failure | TLS 1.3 3 offered identity card-01\nclosed handshake",
        "client no_shared_cipher peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 3 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl13_ok",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "openssl13_only12client",
        "server protocol_version local | ClientHello → our alert 70 protocol_version | TLS 1.2 2 offered\nclosed handshake",
        "client protocol_version peer | ClientHello → the peer's alert 70 protocol_version | TLS 1.2 2 offered\nclosed handshake",
    ),
    (
        "openssl13_psk_ke",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01\nclosed handshake",
    ),
    (
        "openssl13_resumed_ticket",
        "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 resumed\nclosed handshake",
        "client ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 resumed\nclosed handshake",
    ),
    (
        "openssl13_unknown_identity",
        "server unknown_psk_identity local | ClientHello → our alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
        "client unknown_psk_identity peer | ClientHello → the peer's alert 40 handshake_failure | TLS 1.3 4 offered identity card-01\nclosed handshake",
    ),
    (
        "openssl13_wrong_key",
        "server wrong_key local | ClientHello → our alert 47 illegal_parameter | TLS 1.3 4 offered identity card-01\nclosed handshake",
        "client wrong_key peer | ClientHello → the peer's alert 47 illegal_parameter | TLS 1.3 4 offered identity card-01\nclosed handshake",
    ),
];

#[test]
fn recorded_connections_read_as_what_happened() {
    for (name, server, client) in RECORDED {
        for (role, expected) in [(Role::Server, server), (Role::Client, client)] {
            let mut player = Player::new(role);
            player.lines(&load(name));
            assert_eq!(player.told(), expected, "{name}, {role:?}");
        }
    }
}

#[test]
fn every_recording_is_in_the_list() {
    for entry in super::fixtures().read_dir().expect("the fixtures are there") {
        let name = entry.expect("an entry").file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".flow")) else { continue };
        assert!(RECORDED.iter().any(|(known, ..)| *known == name), "{name} is not in the list");
    }
}

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cardlink_obs::protocol::tls::open::fuzz_keyring(data));

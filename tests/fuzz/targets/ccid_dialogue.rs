#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cardlink_obs::track::fuzz_ccid(data));

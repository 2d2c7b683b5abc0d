//! What holds for whatever happens on a few connections.

use crate::pipeline::fuzz_admin;
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sessions_add_up_whatever_happens(script in vec(any::<u8>(), 0..400)) {
        fuzz_admin(&script);
    }
}

/// The seeds of the fuzz target: whole sessions, in its input format.
#[test]
fn the_seeds_of_the_fuzzer_are_sessions() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/admin_sessions");
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).expect("the seeds").flatten() {
        fuzz_admin(&std::fs::read(entry.path()).expect("a seed"));
        seeds += 1;
    }
    assert!(seeds > 10);
}

//! What pytest tells of itself: the node id and phase in `PYTEST_CURRENT_TEST`, the outcome that its terminal reporter
//! writes, and the reports that workers of pytest-xdist send.

mod node;
mod output;
mod worker;

pub use node::{NodeId, Phase, current_test, split_parameters, with_parameters};
pub use output::{Word, Written, written};
pub use worker::{Plain, WorkerReport, report};

/// For the fuzzer.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some((node, _)) = current_test(&text) {
        assert!(node.class.len() <= text.len() && node.name.len() <= text.len());
    }
    let masked = with_parameters(&text, &mut |_| String::from("~0"));
    assert_eq!(with_parameters(&masked, &mut |_| String::from("~0")), masked);
    let found = written(bytes);
    assert_eq!(written(found.canonical().as_bytes()), found);
    if let Some(found) = report(bytes) {
        let short = found.encoded();
        let again = report(&short).expect("what was written reads");
        assert_eq!((again.outcome, again.phase), (found.outcome, found.phase));
    }
}

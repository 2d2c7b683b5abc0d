//! Which traces are sent. A trace is judged when it is over, as a whole.

use super::span::TraceId;
use crate::observation::TraceParent;
use std::time::Duration;

/// The rule. Nothing is lost by it but what went well and fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// This share of all traces, told by their ids: every agent and SDK with the same ratio keeps the same ones.
    pub ratio: f64,
    /// What whoever began the trace decided goes before the ratio.
    pub follows_parent: bool,
    /// All that failed.
    pub failed: bool,
    /// All that took at least so long.
    pub slower: Option<Duration>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { ratio: 1.0, follows_parent: true, failed: true, slower: None }
    }
}

impl Sampling {
    pub fn keeps(&self, trace: TraceId, parent: Option<TraceParent>, failed: bool, took: Duration) -> bool {
        (failed && self.failed)
            || self.slower.is_some_and(|limit| took >= limit)
            || match parent {
                Some(parent) if self.follows_parent => parent.sampled,
                _ => self.chooses(trace),
            }
    }

    /// By the id alone, as `TraceIdRatioBased` does.
    pub fn chooses(&self, trace: TraceId) -> bool {
        const ALL: f64 = 9_223_372_036_854_775_808.0;
        // Its last eight bytes.
        let number = (u128::from_be_bytes(trace.0) as u64) >> 1;
        self.ratio >= 1.0 || (number as f64) < self.ratio * ALL
    }
}

#[cfg(test)]
mod tests {
    use super::Sampling;
    use crate::{
        observation::TraceParent,
        sink::spans::{ids::Ids, span::TraceId},
    };
    use std::time::Duration;

    const FAST: Duration = Duration::from_millis(10);

    fn ids() -> impl Iterator<Item = TraceId> {
        let ids = Ids::new("a boot");
        (0..4000).map(move |number| ids.trace_of("test", &[number]))
    }

    #[test]
    fn a_ratio_is_a_share_of_the_traces_and_a_larger_one_keeps_the_same() {
        let kept = |ratio: f64| {
            let sampling = Sampling { ratio, ..Sampling::default() };
            ids().map(|id| sampling.keeps(id, None, false, FAST)).collect::<Vec<_>>()
        };
        let count = |kept: &[bool]| kept.iter().filter(|kept| **kept).count();
        let (none, tenth, half, all) = (kept(0.0), kept(0.1), kept(0.5), kept(1.0));
        assert_eq!((count(&none), count(&all)), (0, 4000));
        assert!((300..500).contains(&count(&tenth)), "{}", count(&tenth));
        assert!((1850..2150).contains(&count(&half)), "{}", count(&half));
        assert!(tenth.iter().zip(&half).all(|(tenth, half)| !tenth || *half));
    }

    #[test]
    fn what_failed_or_was_slow_is_kept_in_any_case() {
        let sampling = Sampling { ratio: 0.0, slower: Some(Duration::from_secs(1)), ..Sampling::default() };
        for id in ids().take(100) {
            assert!(sampling.keeps(id, None, true, FAST));
            assert!(sampling.keeps(id, None, false, Duration::from_secs(1)));
            assert!(!sampling.keeps(id, None, false, Duration::from_millis(999)));
            assert!(!Sampling { failed: false, ..sampling }.keeps(id, None, true, FAST));
        }
    }

    #[test]
    fn the_parent_goes_before_the_ratio() {
        let parent = |sampled| Some(TraceParent { trace: [1; 16], span: [1; 8], sampled });
        let id = TraceId([1; 16]);
        let (all, none) = (Sampling::default(), Sampling { ratio: 0.0, ..Sampling::default() });
        assert!(none.keeps(id, parent(true), false, FAST));
        assert!(!all.keeps(id, parent(false), false, FAST));
        assert!(all.keeps(id, parent(false), true, FAST));
        assert!(!Sampling { follows_parent: false, ..none }.keeps(id, parent(true), false, FAST));
    }
}

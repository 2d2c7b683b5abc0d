//! Metrics of test runs.

use super::{Registry, bounded::Bounded, table};
use crate::observation::{Test, TestOutcome, TestSuite};
use std::collections::HashSet;

const MAX_SUITES: usize = 256;

/// What is kept of them.
pub struct Tests {
    suites: Bounded,
    announced: HashSet<(String, String)>,
}

impl Default for Tests {
    fn default() -> Self {
        Self { suites: Bounded::new(MAX_SUITES), announced: HashSet::new() }
    }
}

impl Tests {
    fn suite(&mut self, name: &str, target: &str, registry: &Registry) -> String {
        let suite = self.suites.fold(name);
        if self.announced.insert((target.to_owned(), suite.clone())) {
            for outcome in TestOutcome::ALL {
                registry.add(&table::TESTS, &[target, &suite, outcome.as_str()], 0.0);
            }
            registry.add(&table::TESTS_FLAKY, &[target, &suite], 0.0);
            registry.announce(&table::TEST_DURATION, &[target, &suite]);
        }
        suite
    }

    pub fn test(&mut self, test: &Test, target: &str, registry: &Registry) {
        let suite = self.suite(&test.suite, target, registry);
        registry.increment(&table::TESTS, &[target, &suite, test.outcome.as_str()]);
        if test.flaky {
            registry.increment(&table::TESTS_FLAKY, &[target, &suite]);
        }
        if let Some(took) = test.duration {
            registry.observe(&table::TEST_DURATION, &[target, &suite], took.as_secs_f64());
        }
    }

    pub fn ended(&mut self, ended: &TestSuite, target: &str, registry: &Registry) {
        let suite = self.suite(&ended.suite, target, registry);
        registry.observe(&table::TEST_SUITE_DURATION, &[target, &suite], ended.duration.as_secs_f64());
    }
}

//! Label values have bounded sets; past the bound: `other`.

use std::collections::HashSet;

/// What a value becomes when there are too many.
pub const OTHER: &str = "other";

#[derive(Debug)]
pub struct Bounded {
    most: usize,
    seen: HashSet<String>,
}

impl Bounded {
    pub fn new(most: usize) -> Self {
        Self { most, seen: HashSet::new() }
    }

    /// The value itself while there is room for it.
    pub fn fold(&mut self, value: &str) -> String {
        if value.is_empty() || self.seen.contains(value) {
            return value.to_owned();
        }
        if self.seen.len() >= self.most {
            return OTHER.to_owned();
        }
        self.seen.insert(value.to_owned());
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounded, OTHER};

    #[test]
    fn the_first_values_stay_and_the_rest_is_other() {
        let mut bounded = Bounded::new(2);
        assert_eq!(bounded.fold("a"), "a");
        assert_eq!(bounded.fold("b"), "b");
        assert_eq!(bounded.fold("c"), OTHER);
        assert_eq!(bounded.fold("a"), "a");
        assert_eq!(bounded.fold(""), "");
    }
}
